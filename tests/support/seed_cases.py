"""Everybody in the seed of spec 13, and whom an order to them reaches.

The notes of cases are the numbers of the edge cases of spec 13 that they show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

P01, P02, P03, P04, P05, P06 = (
    "12838530255",
    "05917921107",
    "23869140252",
    "17816812151",
    "30897333275",
    "08849615360",
)
P07, P08, P09, P10, P11, P12 = (
    "14925926230",
    "27828844178",
    "02876417491",
    "19889338108",
    "51858223230",
    "21907729114",
)
P13, P14, P15, P16, P17 = ("03837019264", "29818946188", "25920561481", "09895134160", "16869948431")
P18, P19 = "15507600333", "06678425298"
O1, O2, O3, O4, O5 = "319900241", "319900373", "319900500", "319900632", "319900764"
O6, O7, O8, O9, O10 = "319900896", "319901027", "319901159", "319901280", "319901418"
DEMO, OTHER, APP, NONE = (
    {"resourceId": f"urn:altinn:resource:{name}"}
    for name in ("ttd-demo-service", "ttd-annen-tjeneste", "app_ttd_demo-app", "nobody-knows-it")
)
IGNORING, STALE_TOO = {"ignoreReservation": True}, {"useStaleContactInformation": True}
EMAIL, SMS, EMAIL_FIRST, SMS_FIRST, BOTH = "Email", "Sms", "EmailPreferred", "SmsPreferred", "EmailAndSms"
CHANNELS: Final = (EMAIL, SMS, EMAIL_FIRST, SMS_FIRST, BOTH)
REFUSED: Final = None
BOTH_OF_P01: Final = ("begge@epost.example", "+4799999001")
FOUR_OF_O1: Final = ("post@flink.example", "regnskap@flink.example", "+4799999101", "+4799999102")
OFFICIAL_AND_ANNA: Final = ("post@delt.example", "anna@delt.example")
TWO_OF_O1: Final = FOUR_OF_O1[:2]
RESERVED_EMAIL, RESERVED_SMS = ":Email_Failed_RecipientReserved", ":SMS_Failed_RecipientReserved"
UNKNOWN_EMAIL, UNKNOWN_SMS = ":Email_Failed_RecipientNotIdentified", ":SMS_Failed_RecipientNotIdentified"


@dataclass(frozen=True)
class Case:
    """An order to one recipient, and whom it reaches; None when it is refused.

    An address alone is delivered to. `address:status` is another end, without an address when there is none.
    """

    who: str
    channel: str
    reached: tuple[str, ...] | None
    options: dict[str, Any] = field(default_factory=dict)
    creator: str = "ttd"
    note: str = ""

    def __str__(self) -> str:
        options = "-".join(map(str, self.options.values()))
        return "-".join(filter(None, (self.note, self.who, self.channel, options, self.creator)))


def of_each(who: str, *reached: tuple[str, ...] | None) -> list[Case]:
    """One case for each channel schema, in the order of `CHANNELS`."""
    return [Case(who, channel, outcome) for channel, outcome in zip(CHANNELS, reached, strict=True)]


def both(email: str, sms: str) -> tuple[tuple[str, ...], ...]:
    """Whom somebody with one email and one number is reached at by each channel schema."""
    return (email,), (sms,), (email,), (sms,), (email, sms)


CASES: Final = [
    *of_each(P01, *both(*BOTH_OF_P01)),
    *of_each(
        P02,
        *[("bare-epost@epost.example",)],
        REFUSED,
        *[("bare-epost@epost.example",)] * 2,
        ("bare-epost@epost.example", UNKNOWN_SMS),
    ),
    *of_each(P03, REFUSED, *[("+4799999003",)] * 3, (UNKNOWN_EMAIL, "+4799999003")),
    *of_each(P06, *[REFUSED] * 5),
    *of_each(P04, *both(RESERVED_EMAIL, RESERVED_SMS)),
    Case(P04, EMAIL_FIRST, ("reservert@epost.example",), IGNORING),
    Case(P04, BOTH, ("reservert@epost.example", "+4799999004"), IGNORING, note="3"),
    Case(P05, EMAIL, REFUSED, note="2"),
    Case(P05, EMAIL, REFUSED, IGNORING),
    Case(P07, BOTH, REFUSED, note="4"),
    Case(P07, BOTH, ("gammel@epost.example", "+4799999007"), STALE_TOO, note="4"),
    Case(P07, BOTH, ("gammel@epost.example", "+4799999007"), creator="skd"),
    Case(P07, BOTH, REFUSED, creator="annen"),
    Case(P08, EMAIL_FIRST, ("+4799999008",), note="5"),
    Case(P08, EMAIL_FIRST, ("gammel-epost@epost.example",), STALE_TOO, note="5"),
    Case(P08, EMAIL, REFUSED),
    Case(P16, BOTH, ("grense-inne@epost.example", UNKNOWN_SMS), note="6"),
    Case(P09, SMS, REFUSED, note="7"),
    Case(P09, SMS_FIRST, ("gyldig@epost.example",), note="7"),
    Case(P10, SMS, ("+4799999010",), note="8"),
    Case(P11, BOTH, ("dnummer@epost.example", "+4799999011")),
    Case(P12, SMS, ("+46701234567",), note="9"),
    Case(P13, BOTH, REFUSED, note="10"),
    Case(P14, EMAIL, ("navnlos@epost.example",)),
    Case(P15, SMS, ("+4799999015",)),
    Case(
        P17,
        BOTH,
        ("bounced+p17@epost.example:Email_Failed_Bounced", "+4799999904:SMS_Failed_Undelivered"),
        note="12",
    ),
    Case(P18, EMAIL_FIRST, ("nav@epost.example",)),
    Case(P19, SMS_FIRST, ("+4799999019",)),
    *of_each(O1, TWO_OF_O1, FOUR_OF_O1[2:], TWO_OF_O1, FOUR_OF_O1[2:], FOUR_OF_O1),
    *of_each(
        O2,
        *[("post@bare-epost.example",)],
        REFUSED,
        *[("post@bare-epost.example",)] * 2,
        ("post@bare-epost.example", UNKNOWN_SMS),
    ),
    Case(O3, EMAIL_FIRST, ("+4799999103",)),
    Case(O4, BOTH, REFUSED),
    Case(O5, BOTH, FOUR_OF_O1, note="14"),
    Case(O6, EMAIL, OFFICIAL_AND_ANNA, DEMO, note="15"),
    Case(O6, SMS, ("+4799999106", "+4799999201"), DEMO),
    Case(O6, EMAIL, OFFICIAL_AND_ANNA, {**DEMO, "resourceAction": "sign"}, note="16"),
    Case(O6, SMS, ("+4799999106", "+4799999203"), OTHER, note="17"),
    Case(O6, EMAIL, (*OFFICIAL_AND_ANNA, "bjarne@delt.example"), APP, note="18"),
    Case(O6, EMAIL, ("post@delt.example",), NONE, note="19"),
    Case(O6, EMAIL, ("post@delt.example",)),
    Case(O7, EMAIL, REFUSED, DEMO, note="20"),
    Case(O8, BOTH, REFUSED, note="21"),
    Case(O9, BOTH, ("Post@dobbel.example", "+4799999109"), note="22"),
    Case(
        O10,
        EMAIL,
        ("post@mange.example", *(f"u{number}@mange.example" for number in range(30002, 30502, 2))),
        DEMO,
        note="23",
    ),
    Case("urn:altinn:person:idporten-email:ola@epost.example", BOTH, ("ola.privat@epost.example", "+4799999031")),
    Case("urn:altinn:person:idporten-email:ola%40epost.example", EMAIL, ("ola.privat@epost.example",)),
    Case("urn:altinn:person:idporten-email:ny@epost.example", EMAIL, ("ny@epost.example",)),
    Case("urn:altinn:person:idporten-email:ny@epost.example", SMS, REFUSED),
    Case("urn:altinn:party:username:kari", EMAIL_FIRST, ("kari@epost.example",)),
    Case("urn:altinn:username:per", EMAIL_FIRST, ("+4799999033",)),
    Case("urn:altinn:person:legacy-selfidentified:gammelbruker", SMS_FIRST, ("gammelbruker@epost.example",)),
    Case("urn:altinn:party:username:ingen", BOTH, REFUSED),
]
