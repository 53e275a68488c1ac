"""Authorization: which users may act on a resource for an organisation (spec 12, 4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from altinn_notifications.orders.rules import RESOURCE_PREFIX
from altinn_notifications.platform.client import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import SecretStr

    from altinn_notifications.platform.client import DependencyClient

READ: Final = "read"
_STRING: Final = "http://www.w3.org/2001/XMLSchema#string"
_USER: Final = "urn:altinn:userid"
_PARTY: Final = "urn:altinn:partyid"
_ACTION: Final = "urn:oasis:names:tc:xacml:1.0:action:action-id"
_SUBJECT_CATEGORY: Final = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
_RESOURCE_CATEGORY: Final = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
_APP_PREFIX: Final = "app_"
_APP_PARTS: Final = 3  # app, organisation, name; further ones are ignored


class Grant(NamedTuple):
    """What a user must be allowed to do to be written to on behalf of an organisation."""

    resource: str
    """The resource's id without its URN prefix."""
    action: str

    @classmethod
    def of(cls, resource_id: str | None, action: str | None) -> Grant | None:
        """The grant that an order asks for, or None when it names no resource. Source: spec 08, 6.4 and 6.5."""
        resource = (resource_id or "").strip().removeprefix(RESOURCE_PREFIX)
        return cls(resource, (action or "").strip() or READ) if resource else None


class PartyUser(NamedTuple):
    """A user acting for an organisation, by the platform's own numbers."""

    party_id: int
    user_id: int


class _Attribute(Answer):
    attribute_id: str | None = None
    value: str | None = None


class _Category(Answer):
    category_id: str | None = None
    attribute: list[_Attribute] | None = None


class _Decision(Answer):
    decision: str | None = None
    category: list[_Category] | None = None


class _Decisions(Answer):
    response: list[_Decision]


class AuthorizationClient:
    """Asks Authorization. `batch_size` is the most decisions of one call."""

    def __init__(self, client: DependencyClient, *, batch_size: int, subscription_key: SecretStr) -> None:
        self._client = client
        self._batch_size = batch_size
        key = subscription_key.get_secret_value()
        self._headers = {"Accept": "application/json", **({"Ocp-Apim-Subscription-Key": key} if key else {})}

    async def permitted(self, users: Iterable[PartyUser], grant: Grant) -> frozenset[PartyUser]:
        """Those of `users` who hold the grant. Nobody is asked for when there are none.

        Raises `DependencyFailed` if any of the calls fails: who was not decided on is not permitted, but neither
        refused. Source: spec 12, 4.2.
        """
        asked = list(dict.fromkeys(users))
        batches = [asked[at : at + self._batch_size] for at in range(0, len(asked), self._batch_size)]
        answers = await asyncio.gather(*(self._decide(batch, grant) for batch in batches))
        return frozenset(asked) & frozenset().union(*answers)

    async def _decide(self, batch: Sequence[PartyUser], grant: Grant) -> set[PartyUser]:
        question = decision_request(batch, grant)
        answer = await self._client.ask("decision", "decision", question, _Decisions, headers=self._headers)
        permits = (_party_user(decision) for decision in answer.response if decision.decision == "Permit")
        return {pair for pair in permits if pair is not None}


def decision_request(users: Sequence[PartyUser], grant: Grant) -> dict[str, Any]:
    """The XACML JSON question: each category once, one reference for each user of an organisation.

    Categories that nothing refers to are left out, because with a single reference the decision point looks at all of
    them. Source: spec 12, 4.1.
    """
    resource = _resource_attributes(grant.resource)
    return {
        "request": {
            "returnPolicyIdList": False,
            "combinedDecision": False,
            "accessSubject": [
                {"id": f"subject{user_id}", "attribute": [_attribute(_USER, str(user_id), include=True)]}
                for user_id in dict.fromkeys(user.user_id for user in users)
            ],
            "action": [{"id": "action", "attribute": [_attribute(_ACTION, grant.action, data_type="string")]}],
            "resource": [
                {"id": f"resource{party_id}", "attribute": [*resource, _attribute(_PARTY, str(party_id), include=True)]}
                for party_id in dict.fromkeys(user.party_id for user in users)
            ],
            "multiRequests": {
                "requestReference": [
                    {"referenceId": [f"subject{user.user_id}", "action", f"resource{user.party_id}"]} for user in users
                ]
            },
        }
    }


def _resource_attributes(resource: str) -> list[dict[str, Any]]:
    """An app's resource is told by its two parts; one that only looks like an app's is a resource like any other."""
    parts = resource.split("_")
    if resource.startswith(_APP_PREFIX) and len(parts) >= _APP_PARTS:
        return [_attribute("urn:altinn:org", parts[1]), _attribute("urn:altinn:app", parts[2])]
    return [_attribute("urn:altinn:resource", resource)]


def _attribute(name: str, value: str, *, data_type: str = _STRING, include: bool = False) -> dict[str, Any]:
    return {"attributeId": name, "value": value, "issuer": "Altinn", "dataType": data_type, "includeInResult": include}


def _party_user(decision: _Decision) -> PartyUser | None:
    party, user = _value(decision, _RESOURCE_CATEGORY, _PARTY), _value(decision, _SUBJECT_CATEGORY, _USER)
    if party is None or user is None or not party.isdecimal() or not user.isdecimal():
        return None
    return PartyUser(int(party), int(user))


def _value(decision: _Decision, category_id: str, attribute_id: str) -> str | None:
    for category in decision.category or ():
        for attribute in category.attribute or ():
            if category.category_id == category_id and attribute.attribute_id == attribute_id:
                return attribute.value
    return None
