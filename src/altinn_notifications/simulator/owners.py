"""The service owners of the local platform (spec 13, 18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class ServiceOwner:
    """An organisation that may order notifications."""

    short_name: str
    organisation_number: str
    name: str


OWNERS: Final = (
    ServiceOwner("ttd", "991825827", "Testdepartementet"),
    ServiceOwner("annen", "319902325", "Annen Etat"),
    ServiceOwner("skd", "319902198", "Sim-skatt"),
)
STRANGER: Final = "319902066"
"""Number of an organisation that is no service owner: its tokens name no organisation."""


def short_name_of(organisation_number: str) -> str | None:
    """The short name under which an organisation is listed."""
    names = {owner.organisation_number: owner.short_name for owner in OWNERS}
    return names.get(organisation_number)


def number_of(short_name: str) -> str | None:
    """The organisation number of a listed owner."""
    return next((owner.organisation_number for owner in OWNERS if owner.short_name == short_name), None)


def organisation_list() -> dict[str, Any]:
    """The public list of service owners, in the form of `altinn-orgs.json`."""
    return {"orgs": {owner.short_name: _listed(owner) for owner in OWNERS}}


def _listed(owner: ServiceOwner) -> dict[str, Any]:
    return {
        "name": dict.fromkeys(("nb", "nn", "en"), owner.name),
        "logo": "",
        "orgnr": owner.organisation_number,
        "homepage": "",
        "environments": ["tt02", "production"],
    }
