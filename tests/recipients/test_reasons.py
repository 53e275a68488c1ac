from __future__ import annotations

import pytest

from altinn_notifications.orders.model import NotificationChannel, Recipient
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.recipients.contacts import Addresses, Contact, Contacts, Identity, Kind
from altinn_notifications.recipients.drafts import drafts_for_order
from altinn_notifications.recipients.reasons import Reason
from support.orders import SMS, an_order

WINDOW = SendWindow(9, 17)
KARI = Recipient(national_identity_number="12838530255")
FLINK = Recipient(organization_number="319900241")
PERSON = Identity(Kind.PERSON, "12838530255")
ORGANISATION = Identity(Kind.ORGANIZATION, "319900241")
BOTH = Addresses(("kari@epost.example",), ("+4799999001",))
ONLY_MOBILE = Addresses((), ("+4799999001",))


def reasons(
    recipient: Recipient, contacts: Contacts, channel: NotificationChannel, *, ignore_reservation: bool = False
) -> list[str | None]:
    order = an_order(channel=channel, recipients=(recipient,), sms=SMS, ignore_reservation=ignore_reservation)
    return [draft.reason for draft in drafts_for_order(order, contacts, {}, window=WINDOW)]


EMAIL, PREFERRED = NotificationChannel.EMAIL, NotificationChannel.EMAIL_PREFERRED


@pytest.mark.parametrize(
    ("recipient", "contacts", "channel", "expected"),
    [
        (Recipient(email_address="kari@example.no"), {}, EMAIL, [Reason.GIVEN]),
        (KARI, {PERSON: Contact((BOTH,))}, EMAIL, [Reason.REGISTERED]),
        (KARI, {PERSON: Contact((ONLY_MOBILE,))}, PREFERRED, [Reason.REGISTERED_INSTEAD]),
        (KARI, {PERSON: Contact((ONLY_MOBILE,))}, EMAIL, [Reason.NO_ADDRESS]),
        (KARI, {}, EMAIL, [Reason.UNKNOWN]),
        (KARI, {PERSON: Contact((BOTH,), is_reserved=True)}, EMAIL, [Reason.RESERVED]),
        (
            FLINK,
            {ORGANISATION: Contact((Addresses(("post@flink.example",)), Addresses(("anna@flink.example",))))},
            EMAIL,
            [Reason.OFFICIAL, Reason.AUTHORISED_USER],
        ),
        (
            FLINK,
            {ORGANISATION: Contact((Addresses(("post@flink.example",)), ONLY_MOBILE))},
            PREFERRED,
            [Reason.OFFICIAL, Reason.AUTHORISED_USER_INSTEAD],
        ),
        (FLINK, {ORGANISATION: Contact((ONLY_MOBILE,))}, PREFERRED, [Reason.OFFICIAL_INSTEAD]),
    ],
)
def test_each_notification_says_where_its_address_comes_from_or_why_there_is_none(
    recipient: Recipient, contacts: Contacts, channel: NotificationChannel, expected: list[Reason]
) -> None:
    assert reasons(recipient, contacts, channel) == expected


def test_an_overridden_reservation_is_told() -> None:
    contacts = {PERSON: Contact((BOTH,), is_reserved=True)}
    assert reasons(KARI, contacts, EMAIL, ignore_reservation=True) == [Reason.RESERVATION_OVERRIDDEN]
