"""Register: what persons and organisations are called (spec 12, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.platform.access_token import HEADER
from altinn_notifications.platform.check_digits import is_identity_number, is_organization_number
from altinn_notifications.platform.chunks import Found, ask_in_chunks
from altinn_notifications.platform.client import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from altinn_notifications.platform.access_token import AccessTokenIssuer
    from altinn_notifications.platform.client import DependencyClient

_ORGANIZATION_LENGTH: Final = 9


class _PartyName(Answer):
    ssn: str | None = None
    org_no: str | None = None
    name: str | None = None


class _PartyNames(Answer):
    party_names: list[_PartyName] | None = None


class RegisterClient:
    """Asks Register. Without an `issuer` the calls carry no token, and Register decides what it thinks of that."""

    def __init__(self, client: DependencyClient, issuer: AccessTokenIssuer | None) -> None:
        self._client = client
        self._issuer = issuer

    async def names(self, organizations: Iterable[str], persons: Iterable[str]) -> Found[str]:
        """Names by organisation number and national identity number; a party without a name is the empty string.

        Numbers with wrong check digits belong to nobody and are not asked for, since one of them would make Register
        refuse the whole call. Source: spec 12, 3.
        """
        numbers = [number for number in organizations if is_organization_number(number)]
        numbers += (number for number in persons if is_identity_number(number))
        return await ask_in_chunks(numbers, self._ask)

    async def _ask(self, numbers: Sequence[str]) -> dict[str, str]:
        question = {"parties": [_party(number) for number in numbers]}
        headers = {HEADER: self._issuer.token()} if self._issuer is not None else {}
        answer = await self._client.ask("names", "parties/nameslookup", question, _PartyNames, headers=headers)
        names: dict[str, str] = {}
        for party in answer.party_names or ():
            if number := party.org_no or party.ssn:
                names.setdefault(number, party.name or "")
        return names


def _party(number: str) -> dict[str, str]:
    return {"orgNo": number} if len(number) == _ORGANIZATION_LENGTH else {"ssn": number}
