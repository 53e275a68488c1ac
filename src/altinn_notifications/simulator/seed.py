"""Whom the local platform knows at its start (spec 13, 18 to 23). Nobody here exists; every number is synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.magic import EMAIL_WORDS, SMS_ENDINGS
from altinn_notifications.simulator.parties import (
    MONTHS_OF_TRUST,
    AddressRecord,
    ContactPoint,
    Grant,
    OfficialAddress,
    Organisation,
    Person,
    User,
    UserEntry,
    months_before,
)

if TYPE_CHECKING:
    from datetime import datetime

_DAY: Final = timedelta(days=1)
DEMO: Final = "ttd-demo-service"
OTHER: Final = "ttd-annen-tjeneste"
APP: Final = "app_ttd_demo-app"


class Age(Enum):
    """How long ago, at the start, a person confirmed an address."""

    FRESH = "30 days ago"
    OLD = "19 months ago"
    STILL_FRESH = "a day short of 18 months ago"
    JUST_STALE = "a day over 18 months ago"

    def before(self, now: datetime) -> datetime:
        """The moment itself."""
        match self:
            case Age.FRESH:
                return now - 30 * _DAY
            case Age.OLD:
                return months_before(now, 19)
            case Age.STILL_FRESH:
                return months_before(now, MONTHS_OF_TRUST) + _DAY
            case Age.JUST_STALE:
                return months_before(now, MONTHS_OF_TRUST) - _DAY


@dataclass(frozen=True, slots=True)
class _Seed:
    """A person whose dates are not fixed yet."""

    number: str
    name: str | None
    email: tuple[str, Age] | None
    mobile: tuple[str, Age] | None
    shows: str
    is_reserved: bool = False

    def at(self, now: datetime) -> Person:
        email, mobile = _point(self.email, now), _point(self.mobile, now)
        return Person(self.number, self.name, email, mobile, self.is_reserved, self.shows)


def _point(dated: tuple[str, Age] | None, now: datetime) -> ContactPoint | None:
    return ContactPoint(dated[0], last_updated=dated[1].before(now)) if dated else None


def _fresh(address: str) -> tuple[str, Age]:
    return address, Age.FRESH


def _old(address: str) -> tuple[str, Age]:
    return address, Age.OLD


_PERSONS: Final = (
    _Seed(
        "12838530255",
        "RASK BADEHETTE",
        _fresh("begge@epost.example"),
        _fresh("+4799999001"),
        "reached on both channels",
    ),
    _Seed("05917921107", "STILLE FJELLVETT", _fresh("bare-epost@epost.example"), None, "reached by email only"),
    _Seed("23869140252", "LUN SYKKELPUMPE", None, _fresh("+4799999003"), "reached by SMS only"),
    _Seed(
        "17816812151",
        "BESTEMT PARAPLY",
        _fresh("reservert@epost.example"),
        _fresh("+4799999004"),
        "reserved, with addresses: reached only where the reservation is ignored",
        is_reserved=True,
    ),
    _Seed(
        "30897333275",
        "TAUS LYKTESTOLPE",
        None,
        None,
        "reserved without addresses: told as missing, not as reserved",
        is_reserved=True,
    ),
    _Seed("08849615360", "LETT VINDUSKARM", None, None, "known to the register, not to be reached"),
    _Seed(
        "14925926230",
        "GAMMEL GRANKONGLE",
        _old("gammel@epost.example"),
        _old("+4799999007"),
        "both addresses stale: reached only where stale data are allowed",
    ),
    _Seed(
        "27828844178",
        "HALV SKOLISSE",
        _old("gammel-epost@epost.example"),
        _fresh("+4799999008"),
        "the email stale, the number fresh",
    ),
    _Seed(
        "02876417491",
        "UGYLDIG TELEFON",
        _fresh("gyldig@epost.example"),
        _fresh("12345678"),
        "a number that is none and is passed over",
    ),
    _Seed("19889338108", "KORT NUMMER", None, _fresh("99999010"), "a number that gets +47"),
    _Seed(
        "51858223230",
        "DAGNUMMER DROPS",
        _fresh("dnummer@epost.example"),
        _fresh("+4799999011"),
        "a D-number among synthetic ones",
    ),
    _Seed("21907729114", "SVENSK SEMLA", None, _fresh("+46701234567"), "a number abroad"),
    _Seed("29818946188", None, _fresh("navnlos@epost.example"), None, "Register knows no name"),
    _Seed("25920561481", "NULLNULL PREFIKS", None, _fresh("004799999015"), "a number that begins with 00"),
    _Seed(
        "09895134160",
        "KANTEN GRENSESTEIN",
        ("grense-inne@epost.example", Age.STILL_FRESH),
        ("+4799999016", Age.JUST_STALE),
        "either side of the 18 months: the email counts, the number does not",
    ),
    _Seed(
        "16869948431",
        "SPRETT TILBAKE",
        _fresh("bounced+p17@epost.example"),
        _fresh("+4799999904"),
        "fails on both channels",
    ),
    _Seed("15507600333", "NAV SYNTETISK", _fresh("nav@epost.example"), None, "synthetic number with month + 40"),
    _Seed("06678425298", "HELSENETT TEST", None, _fresh("+4799999019"), "synthetic number with month + 65"),
)
_ENDINGS: Final = (
    ("05858832588", "MISLYKKET KAKE", "failed", "906"),
    ("28826529301", "SØPPELPOST SOKK", "filteredspam", "902"),
    ("06817120871", "AVSONDRET OST", "quarantined", "903"),
    ("03825316395", "UNDERTRYKT GJESP", "suppressed", "905"),
    ("16907321030", "FORMLØS DEIG", "invalidformat", "911"),
    ("07846532042", "FORSTOR KOFFERT", "toolarge", "907"),
    ("22866621849", "TAUS FROSK", "noreport", "909"),
    ("03917841224", "SOMMEL SOMMERFUGL", "running", "914"),
    ("27887004191", "TREG TRAKTOR", "transient", "913"),
)
"""Number, name, and the word and the digits that decide how messages to a person end, one person for each status."""

_FIRST_POSITION: Final = 20  # the persons that spec 13 names are numbered 1 to 19


def _with_ending(position: int, number: str, name: str, word: str, digits: str) -> _Seed:
    shows = f"email: {EMAIL_WORDS[word].ends_as}; SMS: {SMS_ENDINGS[digits].ends_as}"
    return _Seed(number, name, _fresh(f"{word}+p{position}@epost.example"), _fresh(f"+4799999{digits}"), shows)


_PERSONS_WITH_ENDINGS: Final = tuple(
    _with_ending(position, *ending) for position, ending in enumerate(_ENDINGS, _FIRST_POSITION)
)
NOBODY: Final = "03837019264"
"""A right number that no register knows."""


def persons_at(now: datetime) -> tuple[Person, ...]:
    """Everybody, with dates counted back from `now` (UTC)."""
    return tuple(seed.at(now) for seed in (*_PERSONS, *_PERSONS_WITH_ENDINGS))


def _record(*addresses: str) -> AddressRecord:
    """A record whose addresses all count."""
    official = [OfficialAddress(address) for address in addresses]
    emails = tuple(one for one in official if "@" in one.address)
    return AddressRecord(emails, tuple(one for one in official if "@" not in one.address))


_REFUSED: Final = AddressRecord(
    (OfficialAddress("ikke-godtatt@avvist.example", is_accepted=False),),
    (OfficialAddress("+4799999108", is_deleted=True),),
)

ORGANISATIONS: Final = (
    Organisation(
        "319900241",
        51001,
        "FLINK TRESKO AS",
        _record("post@flink.example", "regnskap@flink.example", "+4799999101", "+4799999102"),
        shows="several addresses of each kind",
    ),
    Organisation("319900373", 51002, "BARE EPOST AS", _record("post@bare-epost.example"), shows="email only"),
    Organisation("319900500", 51003, "BARE MOBIL AS", _record("+4799999103"), shows="SMS only"),
    Organisation("319900632", 51004, "STUM VERDEN AS", shows="no record and no main unit: not to be reached"),
    Organisation(
        "319900764",
        51005,
        "FLINK TRESKO AVD. NORD",
        main_unit="319900241",
        shows="no record of its own, so its main unit's addresses",
    ),
    Organisation(
        "319900896",
        51006,
        "DELT ANSVAR AS",
        _record("post@delt.example", "+4799999106"),
        shows="users with addresses and rights of their own",
    ),
    Organisation(
        "319901027",
        51007,
        "KUN BRUKERE AS",
        shows="users' addresses only: a chain order is refused, a v1 order reaches them when it is sent",
    ),
    Organisation(
        "319901159",
        51008,
        "AVVIST ADRESSE AS",
        _REFUSED,
        shows="one address not accepted, one deleted: a record without addresses, so no fallback",
    ),
    Organisation(
        "319901280",
        51009,
        "DOBBEL DRONE AS",
        _record("Post@dobbel.example", "post@dobbel.example", "99999109", "+4799999109"),
        shows="the same addresses twice",
    ),
    Organisation(
        "319901418",
        51010,
        "MANGE BRUKERE AS",
        _record("post@mange.example"),
        shows="501 users, asked about in two calls; every even one is authorised",
    ),
    Organisation("319901671", 51011, None, _record("post@ukjent.example"), shows="Register knows no name"),
)
SHARED: Final = "319900896"
USERS_ONLY: Final = "319901027"
MANY_USERS: Final = "319901418"
_MANY: Final = range(30001, 30502)

_ACTING_USERS: Final = (
    User(
        20001,
        "Anna",
        "10848127138",
        entries=(
            UserEntry(SHARED, "anna@delt.example", "+4799999201"),
            UserEntry(USERS_ONLY, "anna@kun.example", "+4799999207"),
        ),
        shows="authorised for both of her organisations",
    ),
    User(
        20002,
        "Bjarne",
        "22888631252",
        entries=(UserEntry(SHARED, "bjarne@delt.example"), UserEntry(USERS_ONLY, "bjarne@kun.example")),
        shows="authorised for one organisation, not for the other",
    ),
    User(
        20003,
        "Cecilie",
        "01819042191",
        entries=(UserEntry(SHARED, None, "+4799999203", frozenset({OTHER})),),
        shows=f"authorised, but wants to hear of {OTHER} only",
    ),
    User(
        20004,
        "Dag",
        "18877414287",
        entries=(UserEntry(SHARED, "post@delt.example", "+4799999106"),),
        shows="has registered the official addresses once more",
    ),
)
_NAMED_USERS: Final = (
    User(
        40001,
        "Ola",
        user_name="epost:ola@epost.example",
        email="ola.privat@epost.example",
        mobile_number="+4799999031",
        shows="what is registered goes before the address in the URN",
    ),
    User(40002, "Kari", user_name="kari", email="kari@epost.example", shows="by urn:altinn:party:username"),
    User(40003, "Per", user_name="per", mobile_number="+4799999033", shows="by urn:altinn:username"),
    User(
        40004,
        "Gammel bruker",
        user_name="gammelbruker",
        email="gammelbruker@epost.example",
        shows="by urn:altinn:person:legacy-selfidentified",
    ),
    User(40005, "Ingen", user_name="ingen", shows="has no addresses, so is not to be reached"),
)
USERS: Final = (
    *_ACTING_USERS,
    *_NAMED_USERS,
    *(User(user, f"Bruker {user}", entries=(UserEntry(MANY_USERS, f"u{user}@mange.example"),)) for user in _MANY),
)

GRANTS: Final = frozenset(
    {
        *(Grant(user, SHARED, DEMO, "read") for user in (20001, 20003, 20004)),
        *(Grant(user, USERS_ONLY, DEMO, "read") for user in (20001, 20002)),
        *(Grant(user, MANY_USERS, DEMO, "read") for user in _MANY if user % 2 == 0),
        *(Grant(user, SHARED, APP, "read") for user in (20001, 20002)),
        Grant(20001, SHARED, DEMO, "sign"),
        Grant(20003, SHARED, OTHER, "read"),
    }
)
