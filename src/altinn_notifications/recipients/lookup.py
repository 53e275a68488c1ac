"""Asking the registers about the recipients of many orders at once (spec 08, 6 and spec 12, 2)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from altinn_notifications.platform.authorization import Grant, PartyUser
from altinn_notifications.platform.chunks import Found
from altinn_notifications.platform.dependencies import DependencyFailed
from altinn_notifications.recipients.channel_choice import is_looked_up
from altinn_notifications.recipients.cleaning import organization_contact, point
from altinn_notifications.recipients.contacts import Contact, Identity, Kind, identity_of
from altinn_notifications.recipients.drafts import parties_to_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from altinn_notifications.orders.model import Order, Recipient
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.platform.profile import OrganizationPoint, UserPoint
    from altinn_notifications.recipients.contacts import Addresses, Contacts, Names


class _Inquiry(NamedTuple):
    """One party, as one or more orders want to know about it."""

    identity: Identity
    spelling: str
    use_stale: bool = False
    grant: Grant | None = None


_Findings = dict[_Inquiry, Contact | DependencyFailed]


async def resolve(
    orders: Sequence[Order], platform: Platform, *, registration: bool
) -> dict[UUID, Contacts | DependencyFailed]:
    """The contacts of each order's recipients, or why they could not be found, by order id.

    A failure is told only of the orders that depend on what failed. At `registration` organisations have their
    official addresses only; later those that users registered are added, if the order names a resource and the users
    are authorised for it. Source: spec 08, 6 and spec 12, 2.1.
    """
    inquiries = {order.id: _inquiries(order, registration=registration) for order in orders}
    findings = await _find(list(dict.fromkeys(chain.from_iterable(inquiries.values()))), platform)
    return {order_id: _contacts(asked, findings) for order_id, asked in inquiries.items()}


def awaited(order: Order) -> frozenset[tuple[Kind, bool]]:
    """Whose answers an order's recipients depend on: kinds of parties, each with or without the users' addresses.

    Orders that wait for the same answers may be looked up together without holding each other up.
    """
    return frozenset((one.identity.kind, one.grant is not None) for one in _inquiries(order, registration=False))


async def resolve_names(
    orders: Sequence[tuple[Order, Contacts]], platform: Platform
) -> dict[UUID, Names | DependencyFailed]:
    """The names that each order's texts need, or why they could not be found, by order id.

    Register is not asked when no text speaks of its recipient. Source: spec 08, 8.5 and spec 12, 3.
    """
    parties = {order.id: parties_to_name(order, contacts) for order, contacts in orders}
    everybody = sorted(set(chain.from_iterable(parties.values())))
    found = await platform.register.names(_values(everybody, Kind.ORGANIZATION), _values(everybody, Kind.PERSON))
    return {order_id: _names(named, found) for order_id, named in parties.items()}


def _values(identities: Iterable[Identity], kind: Kind) -> list[str]:
    return [identity.value for identity in identities if identity.kind is kind]


def _names(parties: Iterable[Identity], found: Found[str]) -> Names | DependencyFailed:
    names: dict[Identity, str] = {}
    for party in parties:
        if (failure := found.failures.get(party.value)) is not None:
            return failure
        if (name := found.records.get(party.value)) is not None:
            names[party] = name
    return names


def _inquiries(order: Order, *, registration: bool) -> list[_Inquiry]:
    grant = None if registration else Grant.of(order.resource_id, order.resource_action)
    asked = (recipient for recipient in order.recipients if is_looked_up(recipient, order.channel))
    return [inquiry for recipient in asked if (inquiry := _inquiry(recipient, order, grant)) is not None]


def _inquiry(recipient: Recipient, order: Order, grant: Grant | None) -> _Inquiry | None:
    identity = identity_of(recipient)
    if identity is None:
        return None
    match identity.kind:
        case Kind.PERSON:
            return _Inquiry(identity, identity.value, use_stale=order.use_stale_contact_information)
        case Kind.ORGANIZATION:
            return _Inquiry(identity, identity.value, grant=grant)
        case Kind.EXTERNAL:
            return _Inquiry(identity, recipient.external_identity or "")


def _contacts(asked: Iterable[_Inquiry], findings: _Findings) -> Contacts | DependencyFailed:
    contacts: dict[Identity, Contact] = {}
    for inquiry in asked:
        finding = findings.get(inquiry)
        if isinstance(finding, DependencyFailed):
            return finding
        if finding is not None:
            contacts[inquiry.identity] = finding
    return contacts


async def _find(inquiries: Sequence[_Inquiry], platform: Platform) -> _Findings:
    kinds: dict[Kind, list[_Inquiry]] = defaultdict(list)
    for inquiry in inquiries:
        kinds[inquiry.identity.kind].append(inquiry)
    persons = kinds[Kind.PERSON]
    parts = await asyncio.gather(
        _find_persons([one for one in persons if not one.use_stale], platform, use_stale=False),
        _find_persons([one for one in persons if one.use_stale], platform, use_stale=True),
        _find_external(kinds[Kind.EXTERNAL], platform),
        _find_organizations(kinds[Kind.ORGANIZATION], platform),
    )
    return {inquiry: finding for part in parts for inquiry, finding in part.items()}


async def _find_persons(inquiries: Sequence[_Inquiry], platform: Platform, *, use_stale: bool) -> _Findings:
    found = await platform.profile.persons((one.spelling for one in inquiries), use_stale=use_stale)
    contacts = {
        key: Contact((point(person.email, person.mobile_number),), bool(person.is_reserved))
        for key, person in found.records.items()
    }
    return _findings(inquiries, contacts, found.failures)


async def _find_external(inquiries: Sequence[_Inquiry], platform: Platform) -> _Findings:
    found = await platform.profile.external_identities(one.spelling for one in inquiries)
    contacts = {key: Contact((point(user.email, user.mobile_number),)) for key, user in found.records.items()}
    return _findings(inquiries, contacts, found.failures)


def _findings(
    inquiries: Iterable[_Inquiry], contacts: Mapping[str, Contact], failures: Mapping[str, DependencyFailed]
) -> _Findings:
    findings = {one: failures.get(one.identity.value) or contacts.get(one.identity.value) for one in inquiries}
    return {one: finding for one, finding in findings.items() if finding is not None}


async def _find_organizations(inquiries: Sequence[_Inquiry], platform: Platform) -> _Findings:
    by_grant: dict[Grant, list[str]] = defaultdict(list)
    for inquiry in inquiries:
        if inquiry.grant is not None:
            by_grant[inquiry.grant].append(inquiry.spelling)
    official, registered = await asyncio.gather(
        platform.profile.organizations(one.spelling for one in inquiries),
        asyncio.gather(*(_authorised_users(numbers, grant, platform) for grant, numbers in by_grant.items())),
    )
    users: dict[Grant | None, Found[list[Addresses]]] = dict(zip(by_grant, registered, strict=True))
    found = {one: _organization(one.identity.value, official, users.get(one.grant, Found())) for one in inquiries}
    return {one: finding for one, finding in found.items() if finding is not None}


def _organization(
    number: str, official: Found[OrganizationPoint], users: Found[list[Addresses]]
) -> Contact | DependencyFailed | None:
    if (failure := official.failures.get(number) or users.failures.get(number)) is not None:
        return failure
    known, registered = official.records.get(number), users.records.get(number)
    if known is None:
        return None if registered is None else organization_contact((), (), registered)
    delivered = [point(user.email, user.mobile_number) for user in known.user_contact_points or ()]
    return organization_contact(
        known.email_list or (), known.mobile_number_list or (), [*delivered, *(registered or ())]
    )


async def _authorised_users(numbers: Sequence[str], grant: Grant, platform: Platform) -> Found[list[Addresses]]:
    """What users registered for organisations and are authorised for, by organisation number."""
    found = await platform.profile.organization_users(numbers, grant.resource)
    users = {number: _users(organization) for number, organization in found.records.items()}
    try:
        permitted = await platform.authorization.permitted(chain.from_iterable(users.values()), grant)
    except DependencyFailed as failure:
        return Found(failures={**found.failures, **{number: failure for number, known in users.items() if known}})
    addresses = {
        number: [point(user.email, user.mobile_number) for who, user in known.items() if who in permitted]
        for number, known in users.items()
    }
    return Found(addresses, found.failures)


def _users(organization: OrganizationPoint) -> dict[PartyUser, UserPoint]:
    """An organisation's users; of one who is there twice the first record. Without a party nobody can be authorised."""
    users: dict[PartyUser, UserPoint] = {}
    for user in organization.user_contact_points or ():
        if organization.party_id is not None:
            users.setdefault(PartyUser(organization.party_id, user.user_id), user)
    return users
