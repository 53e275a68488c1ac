"""The clients that the local Maskinporten knows, for practice and for the service itself (spec 13, 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.authentication.policies import Policy
from altinn_notifications.simulator.owners import STRANGER, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.simulator.keys import SigningKey, SigningKeys

CONDITION_SCOPE: Final = "altinn:system/notifications.condition.check"
NOTIFICATION_SCOPES: Final = frozenset(
    {Policy.CREATE.value, Policy.COMPOSED.value, Policy.SUPPORT.value, CONDITION_SCOPE}
)


@dataclass(frozen=True, slots=True)
class MaskinportenClient:
    """A registered client. It signs with its registered key, or else with its organisation's enterprise certificate."""

    client_id: str
    organisation_number: str
    scopes: frozenset[str]
    has_key: bool = True

    @property
    def key_id(self) -> str | None:
        """The `kid` of its registered key."""
        return f"{self.client_id}-key" if self.has_key else None

    def signing_key(self, keys: SigningKeys) -> SigningKey:
        """What it signs with."""
        return keys.client(self.client_id) if self.has_key else keys.enterprise(self.organisation_number)

    def private_jwk(self, keys: SigningKeys) -> dict[str, Any]:
        """What somebody needs to sign as this client: the private key, with its `kid` or else with `x5c`."""
        key = self.signing_key(keys)
        name = {"kid": self.key_id} if self.has_key else {"x5c": [key.x5c, keys.enterprise_authority.x5c]}
        return {**key.private_jwk(), **name}


_TTD: Final = number_of("ttd") or ""
_ANNEN: Final = number_of("annen") or ""

PRACTICE_CLIENTS: Final = (
    MaskinportenClient("sim-client-ttd", _TTD, NOTIFICATION_SCOPES),
    MaskinportenClient("sim-client-annen", _ANNEN, NOTIFICATION_SCOPES),
    MaskinportenClient("sim-client-uten-org", STRANGER, NOTIFICATION_SCOPES),
    MaskinportenClient("sim-client-virksomhetssertifikat", _TTD, NOTIFICATION_SCOPES, has_key=False),
)
"""Clients for newcomers; their private keys are no secret."""

SERVICE_CLIENT: Final = MaskinportenClient("sim-client-notifications", _TTD, frozenset({CONDITION_SCOPE}))
"""The client with which the service asks send conditions."""

CLIENTS: Final[Mapping[str, MaskinportenClient]] = {
    client.client_id: client for client in (*PRACTICE_CLIENTS, SERVICE_CLIENT)
}

DELEGATIONS: Final[Mapping[tuple[str, str], frozenset[str]]] = {(_ANNEN, _TTD): frozenset({Policy.CREATE.value})}
"""The scopes that one organisation (first) lets another (second) use on its behalf."""
