from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.model import (
    ContentType,
    EmailTemplate,
    NotificationChannel,
    Recipient,
    SendingTimePolicy,
    SmsTemplate,
)
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.recipients.channel_choice import is_looked_up
from altinn_notifications.recipients.contacts import Addresses, Contact, Contacts, Identity, Kind, Names, identity_of
from altinn_notifications.recipients.drafts import TextMissing, drafts_for_order, parties_to_name
from support.orders import EMAIL, SMS, an_order
from support.times import NOON

if TYPE_CHECKING:
    from altinn_notifications.orders.model import Order
    from altinn_notifications.recipients.drafts import Draft

WINDOW = SendWindow(9, 17)
KARI = Recipient(national_identity_number="12838530255")
FLINK = Recipient(organization_number="319900241")
USER = Recipient(external_identity="urn:altinn:party:username:Kari")
BOTH = Addresses(("kari@e.no",), ("+4799999001",))
ONLY_EMAIL, ONLY_NUMBER = Addresses(("kari@e.no",)), Addresses((), ("+4799999001",))
RESERVED, NOT_IDENTIFIED = "Failed_RecipientReserved", "Failed_RecipientNotIdentified"
CHANNELS = st.sampled_from(list(NotificationChannel))


def order(channel: NotificationChannel, *recipients: Recipient, **changes: Any) -> Order:
    """An order with both texts."""
    return an_order(**{"channel": channel, "recipients": recipients, "email": EMAIL, "sms": SMS, **changes})


def knows(recipient: Recipient, *points: Addresses, is_reserved: bool = False) -> Contacts:
    identity = identity_of(recipient)
    assert identity is not None
    return {identity: Contact(points, is_reserved)}


def named(recipient: Recipient, name: str) -> Names:
    identity = identity_of(recipient)
    assert identity is not None
    return {identity: name}


def drafts(order: Order, contacts: Contacts | None = None, names: Names | None = None) -> list[Draft]:
    return drafts_for_order(order, contacts or {}, names or {}, window=WINDOW)


def told(result: list[Draft]) -> list[tuple[str, str, str]]:
    """Channel, destination and result, in short."""
    return [(draft.channel.value, draft.destination, draft.result) for draft in result]


class TestDirectAddresses:
    """Used exactly as given: no look-up, no normalising, no reservation (spec 08, 6.1)."""

    @pytest.mark.parametrize(
        ("channel", "recipient", "expected"),
        [
            (NotificationChannel.EMAIL, Recipient(email_address="A@x.no"), [("Email", "A@x.no", "New")]),
            (NotificationChannel.SMS, Recipient(mobile_number="0047 99999999"), [("Sms", "0047 99999999", "New")]),
            (
                NotificationChannel.EMAIL_AND_SMS,
                Recipient(email_address="a@x.no", mobile_number="+4799999999"),
                [("Email", "a@x.no", "New"), ("Sms", "+4799999999", "New")],
            ),
            (
                NotificationChannel.EMAIL_PREFERRED,
                Recipient(email_address="a@x.no", mobile_number="+4799999999"),
                [("Email", "a@x.no", "New"), ("Sms", "+4799999999", "New")],
            ),
            (
                NotificationChannel.SMS_PREFERRED,
                Recipient(email_address="a@x.no"),
                [("Email", "a@x.no", "New")],
            ),
            (
                NotificationChannel.EMAIL_AND_SMS,
                Recipient(email_address="a@x.no"),
                [("Email", "a@x.no", "New"), ("Sms", "", NOT_IDENTIFIED)],
            ),
            (NotificationChannel.EMAIL, Recipient(email_address=" "), [("Email", "", NOT_IDENTIFIED)]),
            (NotificationChannel.EMAIL, Recipient(mobile_number="+4799999999"), [("Email", "", NOT_IDENTIFIED)]),
        ],
    )
    def test_each_address_of_the_channel_gets_one(
        self, channel: NotificationChannel, recipient: Recipient, expected: list[tuple[str, str, str]]
    ) -> None:
        assert told(drafts(order(channel, recipient))) == expected

    def test_two_recipients_with_one_address_get_two_messages(self) -> None:
        twice = [Recipient(email_address="a@x.no")] * 2
        for channel in (
            NotificationChannel.EMAIL,
            NotificationChannel.EMAIL_PREFERRED,
            NotificationChannel.EMAIL_AND_SMS,
        ):
            emails = [draft for draft in drafts(order(channel, *twice)) if draft.channel is Channel.EMAIL]
            assert told(emails) == [("Email", "a@x.no", "New")] * 2

    def test_no_number_is_stored_and_keywords_stay(self) -> None:
        template = replace(EMAIL, subject="Hei $recipientName$")
        (draft,) = drafts(order(NotificationChannel.EMAIL, Recipient(email_address="a@x.no"), email=template))
        assert (draft.national_identity_number, draft.organization_number) == (None, None)
        assert (draft.subject, draft.body) == (None, None)


@pytest.mark.parametrize(
    ("channel", "addresses", "expected"),
    [
        (NotificationChannel.EMAIL, BOTH, [("Email", "kari@e.no", "New")]),
        (NotificationChannel.EMAIL, ONLY_NUMBER, [("Email", "", NOT_IDENTIFIED)]),
        (NotificationChannel.SMS, BOTH, [("Sms", "+4799999001", "New")]),
        (NotificationChannel.SMS, ONLY_EMAIL, [("Sms", "", NOT_IDENTIFIED)]),
        (NotificationChannel.EMAIL_PREFERRED, BOTH, [("Email", "kari@e.no", "New")]),
        (NotificationChannel.EMAIL_PREFERRED, ONLY_NUMBER, [("Sms", "+4799999001", "New")]),
        (NotificationChannel.EMAIL_PREFERRED, Addresses(), [("Email", "", NOT_IDENTIFIED)]),
        (NotificationChannel.SMS_PREFERRED, BOTH, [("Sms", "+4799999001", "New")]),
        (NotificationChannel.SMS_PREFERRED, ONLY_EMAIL, [("Email", "kari@e.no", "New")]),
        (NotificationChannel.SMS_PREFERRED, Addresses(), [("Sms", "", NOT_IDENTIFIED)]),
        (NotificationChannel.EMAIL_AND_SMS, BOTH, [("Email", "kari@e.no", "New"), ("Sms", "+4799999001", "New")]),
        (NotificationChannel.EMAIL_AND_SMS, ONLY_EMAIL, [("Email", "kari@e.no", "New"), ("Sms", "", NOT_IDENTIFIED)]),
        (
            NotificationChannel.EMAIL_AND_SMS,
            Addresses(),
            [("Email", "", NOT_IDENTIFIED), ("Sms", "", NOT_IDENTIFIED)],
        ),
    ],
)
@pytest.mark.parametrize("recipient", [KARI, USER, FLINK])
def test_the_channel_chooses_among_what_is_known(
    channel: NotificationChannel, addresses: Addresses, expected: list[tuple[str, str, str]], recipient: Recipient
) -> None:
    assert told(drafts(order(channel, recipient), knows(recipient, addresses))) == expected


class TestOrganisations:
    """Official addresses and each user choose between the channels by themselves (spec 08, 8.1)."""

    OFFICIAL = Addresses(("post@x.no", "drift@x.no"), ("+4799999101", "+4799999102"))
    USER_WITH_NUMBER = Addresses((), ("+4799999201",))
    USER_WITH_BOTH = Addresses(("anna@x.no",), ("+4799999202",))

    def test_email_and_sms_goes_to_officials_then_users_channel_by_channel(self) -> None:
        found = knows(FLINK, self.OFFICIAL, self.USER_WITH_BOTH, self.USER_WITH_NUMBER)
        assert [draft.destination for draft in drafts(order(NotificationChannel.EMAIL_AND_SMS, FLINK), found)] == [
            "post@x.no",
            "drift@x.no",
            "anna@x.no",
            "+4799999101",
            "+4799999102",
            "+4799999202",
            "+4799999201",
        ]

    def test_email_preferred_uses_no_official_number_beside_an_official_email(self) -> None:
        result = drafts(order(NotificationChannel.EMAIL_PREFERRED, FLINK), knows(FLINK, self.OFFICIAL))
        assert [draft.destination for draft in result] == ["post@x.no", "drift@x.no"]

    def test_a_user_with_a_number_only_gets_an_sms_beside_the_official_emails(self) -> None:
        found = knows(FLINK, self.OFFICIAL, self.USER_WITH_NUMBER)
        assert [draft.destination for draft in drafts(order(NotificationChannel.EMAIL_PREFERRED, FLINK), found)] == [
            "post@x.no",
            "drift@x.no",
            "+4799999201",
        ]

    def test_sms_preferred_mirrors_it(self) -> None:
        found = knows(FLINK, self.OFFICIAL, self.USER_WITH_BOTH, Addresses(("bjarne@x.no",)))
        assert [draft.destination for draft in drafts(order(NotificationChannel.SMS_PREFERRED, FLINK), found)] == [
            "bjarne@x.no",
            "+4799999101",
            "+4799999102",
            "+4799999202",
        ]

    def test_every_address_tells_whose_it_is(self) -> None:
        result = drafts(order(NotificationChannel.EMAIL_AND_SMS, FLINK), knows(FLINK, self.OFFICIAL))
        assert {(draft.organization_number, draft.national_identity_number) for draft in result} == {
            ("319900241", None)
        }


class TestReservation:
    """A reserved person gets one failed notification per channel list, unless the order ignores it (spec 08, 9.1)."""

    @pytest.mark.parametrize(
        ("channel", "addresses", "expected"),
        [
            (NotificationChannel.EMAIL, BOTH, [("Email", "", RESERVED)]),
            (NotificationChannel.EMAIL, Addresses(), [("Email", "", RESERVED)]),
            (NotificationChannel.EMAIL_PREFERRED, BOTH, [("Email", "", RESERVED)]),
            (NotificationChannel.EMAIL_PREFERRED, ONLY_NUMBER, [("Sms", "", RESERVED)]),
            (NotificationChannel.SMS_PREFERRED, ONLY_EMAIL, [("Email", "", RESERVED)]),
            (NotificationChannel.EMAIL_AND_SMS, BOTH, [("Email", "", RESERVED), ("Sms", "", RESERVED)]),
        ],
    )
    @pytest.mark.parametrize("ignore_reservation", [False, None])
    def test_it_is_respected(
        self,
        channel: NotificationChannel,
        addresses: Addresses,
        expected: list[tuple[str, str, str]],
        ignore_reservation: bool | None,  # noqa: FBT001 - a value of the order
    ) -> None:
        found = knows(KARI, addresses, is_reserved=True)
        result = drafts(order(channel, KARI, ignore_reservation=ignore_reservation), found)
        assert told(result) == expected
        assert {draft.national_identity_number for draft in result} == {"12838530255"}

    def test_it_is_ignored_on_demand(self) -> None:
        found = knows(KARI, BOTH, is_reserved=True)
        result = drafts(order(NotificationChannel.EMAIL_PREFERRED, KARI, ignore_reservation=True), found)
        assert told(result) == [("Email", "kari@e.no", "New")]

    def test_ignoring_it_finds_no_address_where_there_is_none(self) -> None:
        found = knows(KARI, Addresses(), is_reserved=True)
        result = drafts(order(NotificationChannel.EMAIL, KARI, ignore_reservation=True), found)
        assert told(result) == [("Email", "", NOT_IDENTIFIED)]

    def test_unknown_is_not_reserved(self) -> None:
        assert told(drafts(order(NotificationChannel.EMAIL, KARI))) == [("Email", "", NOT_IDENTIFIED)]


class TestRepeatedRecipients:
    """Repeated under one channel, merged under the others (spec 08, 8.2 to 8.4)."""

    @pytest.mark.parametrize("channel", [NotificationChannel.EMAIL, NotificationChannel.SMS])
    def test_one_channel_writes_to_each(self, channel: NotificationChannel) -> None:
        assert len(drafts(order(channel, KARI, KARI), knows(KARI, BOTH))) == 2

    @pytest.mark.parametrize("channel", [NotificationChannel.EMAIL_PREFERRED, NotificationChannel.SMS_PREFERRED])
    @pytest.mark.parametrize("recipient", [KARI, FLINK, USER])
    def test_a_preferred_channel_writes_once(self, channel: NotificationChannel, recipient: Recipient) -> None:
        assert len(drafts(order(channel, recipient, recipient), knows(recipient, BOTH))) == 1

    def test_both_channels_write_once_each(self) -> None:
        assert len(drafts(order(NotificationChannel.EMAIL_AND_SMS, KARI, KARI), knows(KARI, BOTH))) == 2

    def test_the_merged_one_stands_where_it_stood_first(self) -> None:
        others = [Recipient(email_address=f"{name}@x.no") for name in "ab"]
        result = drafts(order(NotificationChannel.EMAIL_PREFERRED, KARI, *others, KARI), knows(KARI, BOTH))
        assert [draft.destination for draft in result] == ["kari@e.no", "a@x.no", "b@x.no"]


class TestTexts:
    """Keywords are replaced for persons and organisations that Register knows (spec 08, 8.5)."""

    TEMPLATE = EmailTemplate(
        "f@x.no", "Til $recipientName$", "Hei $recipientName$ $recipientNumber$", ContentType.PLAIN
    )

    def test_the_personal_text_is_stored_for_every_address(self) -> None:
        found = knows(FLINK, Addresses(("a@x.no", "b@x.no")), Addresses(("user@x.no",)))
        result = drafts(
            order(NotificationChannel.EMAIL, FLINK, email=self.TEMPLATE), found, named(FLINK, "FLINK & SØNN")
        )
        texts = {(draft.subject, draft.body) for draft in result}
        assert (len(result), texts) == (3, {("Til FLINK & SØNN", "Hei FLINK & SØNN 319900241")})

    def test_only_the_part_with_a_keyword_is_stored(self) -> None:
        template = replace(self.TEMPLATE, body="Hei")
        (draft,) = drafts(
            order(NotificationChannel.EMAIL, KARI, email=template), knows(KARI, BOTH), named(KARI, "KARI")
        )
        assert (draft.subject, draft.body) == ("Til KARI", None)

    def test_names_are_escaped_in_html_bodies_and_nowhere_else(self) -> None:
        template = replace(self.TEMPLATE, content_type=ContentType.HTML)
        (draft,) = drafts(
            order(NotificationChannel.EMAIL, KARI, email=template), knows(KARI, BOTH), named(KARI, "A & B <AS>")
        )
        assert (draft.subject, draft.body) == ("Til A & B <AS>", "Hei A &amp; B &lt;AS&gt; ")

    def test_a_subject_that_would_be_empty_stays_literal(self) -> None:
        template = replace(self.TEMPLATE, subject="$recipientNumber$")
        (draft,) = drafts(
            order(NotificationChannel.EMAIL, KARI, email=template), knows(KARI, BOTH), named(KARI, "KARI")
        )
        assert draft.subject is None

    def test_who_register_does_not_know_is_sent_the_literal_text(self) -> None:
        (draft,) = drafts(order(NotificationChannel.EMAIL, KARI, email=self.TEMPLATE), knows(KARI, BOTH))
        assert (draft.subject, draft.body) == (None, None)

    def test_an_external_identity_is_sent_the_literal_text(self) -> None:
        (draft,) = drafts(order(NotificationChannel.EMAIL, USER, email=self.TEMPLATE), knows(USER, BOTH))
        assert (draft.subject, draft.body, draft.national_identity_number) == (None, None, None)

    def test_segments_are_counted_of_the_text_that_is_sent(self) -> None:
        long, short = "Hei $recipientName$", "Hei"
        long_name = "a" * 160
        found, names = knows(KARI, BOTH), named(KARI, long_name)
        for body, segments in ((long, 2), (short, 1)):
            (draft,) = drafts(order(NotificationChannel.SMS, KARI, sms=SmsTemplate("Altinn", body)), found, names)
            assert draft.segments == segments

    def test_what_is_not_sent_has_neither_text_nor_segments(self) -> None:
        texts = {"email": self.TEMPLATE, "sms": SmsTemplate("Altinn", "Hei $recipientName$")}
        result = drafts(order(NotificationChannel.EMAIL_AND_SMS, KARI, **texts), {}, named(KARI, "KARI"))
        assert {(draft.subject, draft.body, draft.segments) for draft in result} == {(None, None, None)}

    @pytest.mark.parametrize(
        ("channel", "missing"), [(NotificationChannel.EMAIL, "email"), (NotificationChannel.SMS, "sms")]
    )
    def test_an_order_without_the_text_it_needs_is_invalid(self, channel: NotificationChannel, missing: str) -> None:
        with pytest.raises(TextMissing):
            drafts(order(channel, KARI, **{missing: None}), knows(KARI, BOTH))


class TestPartiesToName:
    """Register is asked about those who get a text with a keyword, and nobody else (spec 08, 8.5)."""

    PERSONAL = replace(EMAIL, body="Hei $recipientName$")

    def test_plain_texts_name_nobody(self) -> None:
        assert parties_to_name(order(NotificationChannel.EMAIL, KARI), knows(KARI, BOTH)) == set()

    @pytest.mark.parametrize("keyword", ["$recipientName$", "$recipientNumber$"])
    @pytest.mark.parametrize("in_subject", [True, False])
    def test_either_keyword_in_either_part_names_persons_and_organisations(
        self, keyword: str, *, in_subject: bool
    ) -> None:
        template = replace(EMAIL, subject=keyword) if in_subject else replace(EMAIL, body=keyword)
        direct = Recipient(email_address="a@x.no")
        found = {**knows(KARI, BOTH), **knows(FLINK, BOTH), **knows(USER, BOTH)}
        parties = parties_to_name(order(NotificationChannel.EMAIL, KARI, FLINK, USER, direct, email=template), found)
        assert parties == {identity_of(KARI), identity_of(FLINK)}

    def test_the_channel_that_is_used_decides(self) -> None:
        personal_email = order(NotificationChannel.SMS_PREFERRED, KARI, email=self.PERSONAL)
        assert parties_to_name(personal_email, knows(KARI, BOTH)) == set()
        assert parties_to_name(personal_email, knows(KARI, ONLY_EMAIL)) == {identity_of(KARI)}

    def test_nobody_is_named_who_is_not_written_to(self) -> None:
        personal = order(NotificationChannel.EMAIL, KARI, email=self.PERSONAL)
        assert parties_to_name(personal, {}) == set()
        assert parties_to_name(personal, knows(KARI, BOTH, is_reserved=True)) == set()


def test_each_channel_has_its_own_expiry() -> None:
    both = order(NotificationChannel.EMAIL_AND_SMS, KARI, sms_policy=SendingTimePolicy.DAYTIME)
    evening = replace(both, requested_send_time=NOON + timedelta(hours=8))
    email, sms = drafts(evening, knows(KARI, BOTH))
    assert email.expiry == NOON + timedelta(hours=56)
    assert sms.expiry == NOON + timedelta(days=3, hours=-4)  # 09:00 in Oslo, three days on


def test_an_order_to_nobody_becomes_nothing() -> None:
    for channel in NotificationChannel:
        assert drafts(order(channel)) == []


def test_nothing_shows_whose_draft_it_is() -> None:
    (draft,) = drafts(order(NotificationChannel.EMAIL, KARI), knows(KARI, BOTH))
    assert "kari" not in f"{draft!r} {knows(KARI, BOTH)!r}"
    assert "12838530255" not in f"{draft!r} {knows(KARI, BOTH)!r} {identity_of(KARI)!r}"


EVERYBODY = [
    KARI,
    FLINK,
    USER,
    Recipient(national_identity_number="05917921107"),
    Recipient(email_address="a@x.no"),
    Recipient(mobile_number="+4799999999"),
    Recipient(email_address="b@x.no", mobile_number="+4799999998"),
]
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        identity: st.builds(
            Contact, st.lists(st.sampled_from([BOTH, ONLY_EMAIL, ONLY_NUMBER, Addresses()])).map(tuple), st.booleans()
        )
        for one in EVERYBODY
        if (identity := identity_of(one)) is not None
    },
)
RECIPIENTS = st.lists(st.sampled_from(EVERYBODY), max_size=8)


@given(CHANNELS, RECIPIENTS, KNOWN)
def test_a_reserved_person_is_never_written_to(
    channel: NotificationChannel, recipients: list[Recipient], known: Contacts
) -> None:
    reserved = {identity.value for identity, contact in known.items() if contact.is_reserved}
    result = drafts(order(channel, *recipients), known)
    for draft in result:
        if draft.national_identity_number in reserved:
            assert (draft.destination, draft.result) == ("", RESERVED)


@given(CHANNELS, RECIPIENTS, KNOWN)
def test_every_recipient_becomes_something_and_an_address_goes_with_new(
    channel: NotificationChannel, recipients: list[Recipient], known: Contacts
) -> None:
    result = drafts(order(channel, *recipients), known)
    assert len({id(recipient) for recipient in recipients}) <= len(result)
    assert all(bool(draft.destination) is (draft.result == "New") for draft in result)


@given(CHANNELS, RECIPIENTS, KNOWN)
def test_emails_come_first_and_recipients_keep_their_sequence(
    channel: NotificationChannel, recipients: list[Recipient], known: Contacts
) -> None:
    result = drafts(order(channel, *recipients), known)
    channels = [draft.channel for draft in result]
    assert channels == sorted(channels)
    firsts = list(dict.fromkeys(one.national_identity_number for one in recipients if one.national_identity_number))
    for wanted in Channel:
        numbers = [draft.national_identity_number for draft in result if draft.channel is wanted]
        seen = list(dict.fromkeys(number for number in numbers if number))
        assert seen == [number for number in firsts if number in seen]


@given(CHANNELS, RECIPIENTS, KNOWN)
def test_a_single_channel_never_uses_the_other(
    channel: NotificationChannel, recipients: list[Recipient], known: Contacts
) -> None:
    used = {draft.channel.value for draft in drafts(order(channel, *recipients), known)}
    if channel in {NotificationChannel.EMAIL, NotificationChannel.SMS}:
        assert used <= {channel.value}


@given(st.sampled_from([NotificationChannel.EMAIL_PREFERRED, NotificationChannel.SMS_PREFERRED]), KNOWN)
def test_a_preference_is_decided_for_each_contact_point(channel: NotificationChannel, known: Contacts) -> None:
    result = drafts(order(channel, FLINK, ignore_reservation=True), known)
    flink = known.get(Identity(Kind.ORGANIZATION, "319900241"), Contact(()))
    reached = [one for one in flink.points if one != Addresses()]
    assert len(result) == max(len(reached), 1)


@given(CHANNELS, RECIPIENTS)
def test_only_who_lacks_an_address_of_the_channel_is_looked_up(
    channel: NotificationChannel, recipients: list[Recipient]
) -> None:
    for recipient in recipients:
        result = drafts(order(channel, recipient))
        if is_looked_up(recipient, channel):
            assert {draft.result for draft in result} == {NOT_IDENTIFIED}
        else:
            assert "New" in {draft.result for draft in result}
