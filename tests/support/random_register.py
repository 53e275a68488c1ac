"""A Profile of which nobody knows what it knows, or how it answers next: everything about it is made up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from altinn_notifications.orders.model import Recipient
from support.lifecycle_model import Party
from support.platform_peer import ORGANIZATIONS, PERSONS, Reply, connected

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

    from altinn_notifications.orders.model import Order
    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer

PERSON_LENGTH = 11
MANY = 1000
TROUBLE = (
    Reply(status=500),
    Reply(status=503),
    Reply(status=404),
    Reply(b"<html>"),
    Reply({"contactPointsList": None}),
    Reply({"contactPointsList": []}, cut=True),
    Reply(drop=True),
)


class RandomRegister:
    """Knows persons and organisations by number. `is_well` tells whether the answers can be used."""

    def __init__(self, peer: PlatformPeer, source: random.Random) -> None:
        self._peer, self._random = peer, source
        self._persons: dict[str, dict[str, Any]] = {}
        self._stale: dict[str, dict[str, Any]] = {}
        self._organizations: dict[str, dict[str, Any]] = {}
        self.is_well = True
        self._publish()

    def somebody(self) -> Recipient:
        """A new person or organisation, about whom something is known, or nothing."""
        number = str(10**10 + len(self._persons) + len(self._organizations) + len(self._stale))
        recipient = (
            Recipient(national_identity_number=self._random.choice((number, number[::-1])))
            if self._random.random() < 0.7
            else Recipient(organization_number=number[2:])
        )
        self.change(recipient)
        return recipient

    def change(self, recipient: Recipient) -> None:
        """From now on something else is known about the recipient."""
        person, organization = recipient.national_identity_number, recipient.organization_number
        if organization is not None:
            self._organizations[organization] = self._addresses(organization)
        elif person is not None:
            for known in (self._persons, self._stale):
                known.pop(person, None)
            known = self._random.choice((self._persons, self._persons, self._stale))
            known[person] = self._contact(person)
        self._publish()

    def _addresses(self, number: str) -> dict[str, Any]:
        emails, numbers = (self._random.choice((0, 1, 2)) for _ in range(2))
        return {
            "organizationNumber": number,
            "emailList": [f"post{index}@{number}.example.no" for index in range(emails)],
            "mobileNumberList": [f"+479{number[-6:]}{index}" for index in range(numbers)],
        }

    def _contact(self, number: str) -> dict[str, Any]:
        return {
            "nationalIdentityNumber": number,
            "isReserved": self._random.random() < 0.2,
            "email": self._random.choice((None, "", f"p{number}@example.no")),
            "mobileNumber": self._random.choice((None, "12345678", f"90{number[-6:]}")),
        }

    def _publish(self) -> None:
        self._peer.persons = list(self._persons.values())
        self._peer.stale_persons = list(self._stale.values())
        self._peer.organizations = list(self._organizations.values())

    def party(self, order: Order) -> Party:
        """What the order should find out about its recipient."""
        (recipient,) = order.recipients
        if recipient.organization_number is not None:
            known = self._organizations[recipient.organization_number]
            return Party(len(known["emailList"]), len(known["mobileNumberList"]))
        everybody = {**self._persons, **(self._stale if order.use_stale_contact_information else {})}
        person = everybody.get(recipient.national_identity_number or "")
        if person is None:
            return Party()
        has_number = str(person["mobileNumber"]).startswith("90")
        is_respected = person["isReserved"] and not order.ignore_reservation
        return Party(int(bool(person["email"])), int(has_number), is_respected)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[Platform]:
        """The service's clients of it, for a while in which it answers as it should, or in no way that helps."""
        self.is_well = self._random.random() < 0.6
        trouble = [] if self.is_well else [self._random.choice(TROUBLE)] * MANY
        for path in (PERSONS, ORGANIZATIONS):
            self._peer.answer_next(path, *trouble)
        async with connected(self._peer) as platform:
            yield platform
        self._peer.forget_answers()
