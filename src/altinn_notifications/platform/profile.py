"""Profile: how persons, organisations and external identities can be reached (spec 12, 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from altinn_notifications.platform.chunks import Found, ask_in_chunks
from altinn_notifications.platform.client import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from altinn_notifications.platform.client import DependencyClient


class PersonPoint(Answer):
    """A person of the contact and reservation register."""

    national_identity_number: str | None = None
    is_reserved: bool | None = None
    mobile_number: str | None = None
    email: str | None = None

    @property
    def key(self) -> str | None:
        """The identifier that the answer is matched by."""
        return self.national_identity_number


class ExternalPoint(Answer):
    """A user without a national identity number."""

    external_identity: str | None = None
    mobile_number: str | None = None
    email: str | None = None

    @property
    def key(self) -> str | None:
        """The identifier that the answer is matched by."""
        return self.external_identity


class UserPoint(Answer):
    """Addresses that a user has registered for an organisation."""

    user_id: int = 0
    mobile_number: str | None = None
    email: str | None = None


class OrganizationPoint(Answer):
    """An organisation's official addresses, or those of its users, depending on the call."""

    organization_number: str | None = None
    party_id: int | None = None
    mobile_number_list: list[str | None] | None = None
    email_list: list[str | None] | None = None
    user_contact_points: list[UserPoint] | None = None

    @property
    def key(self) -> str | None:
        """The identifier that the answer is matched by."""
        return self.organization_number


Point = TypeVar("Point", PersonPoint, ExternalPoint, OrganizationPoint)


class Points(Answer, Generic[Point]):
    """The shape of all four answers."""

    contact_points_list: list[Point]


class ProfileClient:
    """Asks Profile. Every method takes identifiers of any number of orders; nothing is remembered between calls."""

    def __init__(self, client: DependencyClient) -> None:
        self._client = client

    async def persons(self, numbers: Iterable[str], *, use_stale: bool) -> Found[PersonPoint]:
        """Persons by national identity number; `use_stale` also gives what was not confirmed for 18 months.

        Source: spec 12, 2.2.
        """

        async def ask(chunk: Sequence[str]) -> dict[str, PersonPoint]:
            question = {"nationalIdentityNumbers": chunk, "useStaleContactInfo": use_stale}
            return await self._look_up("persons", "users/contactpoint/lookup", question, Points[PersonPoint])

        return await ask_in_chunks(numbers, ask)

    async def external_identities(self, urns: Iterable[str]) -> Found[ExternalPoint]:
        """Users by URN, asked for as spelled. Source: spec 12, 2.3."""

        async def ask(chunk: Sequence[str]) -> dict[str, ExternalPoint]:
            question = {"externalIdentities": chunk}
            path = "users/contactpoint/lookupsi"
            return await self._look_up("external identities", path, question, Points[ExternalPoint])

        return await ask_in_chunks(urns, ask)

    async def organizations(self, numbers: Iterable[str]) -> Found[OrganizationPoint]:
        """Official addresses by organisation number. Source: spec 12, 2.4."""

        async def ask(chunk: Sequence[str]) -> dict[str, OrganizationPoint]:
            question = {"organizationNumbers": chunk}
            path = "organizations/notificationaddresses/lookup"
            return await self._look_up("organizations", path, question, Points[OrganizationPoint])

        return await ask_in_chunks(numbers, ask)

    async def organization_users(self, numbers: Iterable[str], resource: str) -> Found[OrganizationPoint]:
        """Addresses that users registered for organisations and that serve `resource` (an id without URN prefix).

        Source: spec 12, 2.5.
        """

        async def ask(chunk: Sequence[str]) -> dict[str, OrganizationPoint]:
            question = {"organizationNumbers": chunk, "resourceId": resource}
            path = "units/contactpoint/lookup"
            return await self._look_up("organization users", path, question, Points[OrganizationPoint])

        return await ask_in_chunks(numbers, ask)

    async def _look_up(self, operation: str, path: str, question: Any, answer: type[Points[Point]]) -> dict[str, Point]:
        points = (await self._client.ask(operation, path, question, answer)).contact_points_list
        by_key: dict[str, Point] = {}
        for point in points:
            if point.key:
                by_key.setdefault(point.key.lower(), point)  # the first one counts (spec 08, 6.1)
        return by_key
