"""Who may be seen on a page: whole in the local environment, where nobody is real, and masked everywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.settings import Environment

if TYPE_CHECKING:
    from altinn_notifications.settings import GeneralSettings

SHOWN_OF_LOCAL_PART: Final = 2
SHOWN_AT_START_OF_NUMBER: Final = 3  # the plus and the country code of a Norwegian number
SHOWN_AT_END_OF_NUMBER: Final = 2
SHOWN_OF_IDENTITY_NUMBER: Final = 6  # the date of birth


def addresses_are_shown(general: GeneralSettings) -> bool:
    """Whether pages may show whole addresses."""
    return general.environment is Environment.LOCAL


@dataclass(frozen=True, slots=True)
class AddressBook:
    """How pages write addresses and identities."""

    shows_addresses: bool

    def address(self, destination: str) -> str:
        """An email address or mobile number, whole or masked."""
        if self.shows_addresses:
            return destination
        return masked_email(destination) if "@" in destination else masked_number(destination)

    def identity(self, national_identity_number: str | None, organization_number: str | None) -> str | None:
        """Whom a message is for; a person is always masked, an organisation never."""
        if organization_number:
            return f"organisation {organization_number}"
        if national_identity_number:
            return f"person {masked_identity_number(national_identity_number)}"
        return None


def masked_email(address: str) -> str:
    """`ka***@example.no`; nothing of a local part of two characters or fewer."""
    local, _, domain = address.rpartition("@")
    shown = local[:SHOWN_OF_LOCAL_PART] if len(local) > SHOWN_OF_LOCAL_PART else ""
    return f"{shown}***@{domain}"


def masked_number(number: str) -> str:
    """`+47******01`; nothing of a number too short to hide anything."""
    hidden = len(number) - SHOWN_AT_START_OF_NUMBER - SHOWN_AT_END_OF_NUMBER
    if hidden < SHOWN_AT_START_OF_NUMBER:
        return "*" * len(number)
    return f"{number[:SHOWN_AT_START_OF_NUMBER]}{'*' * hidden}{number[-SHOWN_AT_END_OF_NUMBER:]}"


def masked_identity_number(number: str) -> str:
    """The date of birth, and a star for each figure that follows it."""
    return number[:SHOWN_OF_IDENTITY_NUMBER].ljust(len(number), "*")
