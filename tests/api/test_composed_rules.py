"""Which composed emails are refused, and under which keys (spec 04, 4 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for

from altinn_notifications.api import composed_orders
from altinn_notifications.api.composed_requests import EmailAttachment
from altinn_notifications.api.openapi import document
from altinn_notifications.orders.attachment_rules import MIME_TYPES, add_attachment_faults
from altinn_notifications.orders.rules import Faults
from altinn_notifications.platform.attachments import AttachmentOrigins
from altinn_notifications.timestamps import to_wire
from support.composed import a_composed_request, a_sas_url, an_attachment, running_composed_service
from support.service import errors_of, keys_of
from support.times import HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta

    from altinn_notifications.clock import FixedClock
    from support.composed import ComposedService

ABSENT = object()
FIRST = "Recipient.Settings.Attachments[0]"
AZURE = AttachmentOrigins(())


@pytest.fixture
async def composed(database_url: str, clock: FixedClock) -> AsyncIterator[ComposedService]:
    async with running_composed_service(database_url, clock) as running:
        yield running


def changed(path: str, value: Any) -> dict[str, Any]:
    """A request with one attachment and another value at `path`, or without it."""
    request: Any = a_composed_request(an_attachment())
    *way, name = (int(step) if step.isdecimal() else step for step in path.split("."))
    holder = request
    for step in way:
        holder = holder[step]
    if value is ABSENT:
        del holder[name]
    else:
        holder[name] = value
    return dict(request)


def faults_of(due: Any = NOON, **changes: Any) -> dict[str, list[str]]:
    """What is wrong with an attachment of an email due at `due`, by the last part of its key."""
    values = {"filename": "vedtak.pdf", "mime_type": "application/pdf", "sas_url": a_sas_url()} | changes
    faults = Faults()
    add_attachment_faults(faults, "A", EmailAttachment(**values), due=due, origins=AZURE)
    return dict(faults)


SETTINGS = "recipient.emailSettings"
FILE = f"{SETTINGS}.attachments.0"
CASES = [
    ("idempotencyId", ABSENT, {"$", "orderRequest"}),
    ("idempotencyId", None, {"IdempotencyId"}),
    ("idempotencyId", " ", {"IdempotencyId"}),
    ("idempotencyId", "x" * 4001, {"IdempotencyId"}),
    ("recipient", ABSENT, {"$", "orderRequest"}),
    ("recipient", None, {"Recipient"}),
    ("recipient.emailAddress", ABSENT, {"$.recipient", "orderRequest"}),
    ("recipient.emailAddress", "", {"Recipient.EmailAddress"}),
    ("recipient.emailAddress", "a@", {"Recipient.EmailAddress"}),
    ("recipient.emailAddress", "a@b.no,c@d.no", {"Recipient.EmailAddress"}),
    ("recipient.emailSettings", ABSENT, {"$.recipient", "orderRequest"}),
    ("recipient.emailSettings", None, {"Recipient.Settings"}),
    (f"{SETTINGS}.subject", ABSENT, {"$.recipient.emailSettings", "orderRequest"}),
    (f"{SETTINGS}.subject", "\t", {"Recipient.Settings.Subject"}),
    (f"{SETTINGS}.body", None, {"Recipient.Settings.Body"}),
    (f"{SETTINGS}.senderEmailAddress", "", {"Recipient.Settings.SenderEmailAddress"}),
    (f"{SETTINGS}.senderEmailAddress", None, set()),
    (f"{SETTINGS}.contentType", "Rich", {"$.recipient.emailSettings.contentType", "orderRequest"}),
    (f"{SETTINGS}.contentType", 7, {"Recipient.Settings.ContentType"}),
    (f"{SETTINGS}.contentType", 1, set()),
    (f"{SETTINGS}.sendingTimePolicy", "Daytime", {"Recipient.Settings.SendingTimePolicy"}),
    (f"{SETTINGS}.sendingTimePolicy", 2, {"Recipient.Settings.SendingTimePolicy"}),
    (f"{SETTINGS}.sendingTimePolicy", 1, set()),
    (f"{SETTINGS}.attachments", "a.pdf", {"$.recipient.emailSettings.attachments", "orderRequest"}),
    (FILE, None, {FIRST}),
    (f"{FILE}.filename", ABSENT, {"$.recipient.emailSettings.attachments[0]", "orderRequest"}),
    (f"{FILE}.filename", "", {f"{FIRST}.Filename"}),
    (f"{FILE}.filename", "../x.pdf", {f"{FIRST}.Filename"}),
    (f"{FILE}.filename", "a\0.pdf", {f"{FIRST}.Filename"}),
    (f"{FILE}.mimeType", None, {f"{FIRST}.MimeType"}),
    (f"{FILE}.mimeType", "text/html", {f"{FIRST}.MimeType"}),
    (f"{FILE}.sasUrl", None, {f"{FIRST}.SasUrl"}),
    (f"{FILE}.sasUrl", 7, {"$.recipient.emailSettings.attachments[0].sasUrl", "orderRequest"}),
    (f"{FILE}.sasUrl", "https://", {"$.recipient.emailSettings.attachments[0].sasUrl", "orderRequest"}),
    (f"{FILE}.sasUrl", "", {f"{FIRST}.SasUrl"}),
    (f"{FILE}.sasUrl", "ut/vedtak.pdf", {f"{FIRST}.SasUrl"}),
    ("requestedSendTime", None, {"$.requestedSendTime", "orderRequest"}),
    ("requestedSendTime", "now", {"$.requestedSendTime", "orderRequest"}),
    ("requestedSendTime", "2026-09-01T08:00:00", {"RequestedSendTime", FIRST}),
    ("requestedSendTime", to_wire(NOON - SECOND), {"RequestedSendTime"}),
    ("requestedSendTime", to_wire(NOON), set()),
    ("conditionEndpoint", "http://localhost:5000/x", set()),
    ("conditionEndpoint", "ftp://x.no", {"ConditionEndpoint"}),
    ("conditionEndpoint", "/x", {"ConditionEndpoint"}),
    ("conditionEndpoint", None, set()),
    ("dialogportenAssociation", None, set()),
    ("dialogportenAssociation", {"dialogId": None}, set()),
    ("sendersReference", None, set()),
]


async def test_each_mistake_is_told_under_its_own_key_and_without_the_link(composed: ComposedService) -> None:
    for path, value, keys in CASES:
        response = await composed.post(changed(path, value))
        told = set() if response.status_code == 201 else keys_of(response)
        assert told == keys, (path, value)
        assert "sig=" not in response.text
        assert "vedtak.pdf?" not in response.text


async def test_a_time_without_zone_that_has_passed_is_told_both(composed: ComposedService) -> None:
    errors = errors_of(await composed.post(a_composed_request(requestedSendTime="2026-03-01T08:00:00")))
    assert {key: len(texts) for key, texts in errors.items()} == {"RequestedSendTime": 2}


async def test_of_three_attachments_only_the_bad_one_is_named(composed: ComposedService) -> None:
    request = a_composed_request(an_attachment(), an_attachment(filename="vedtak"), an_attachment())
    assert keys_of(await composed.post(request)) == {"Recipient.Settings.Attachments[1].Filename"}


async def test_every_attachment_is_checked_and_what_must_be_given_comes_first(composed: ComposedService) -> None:
    bad = [an_attachment(filename="x"), None, an_attachment(mimeType="x")]
    assert keys_of(await composed.post(a_composed_request(*bad))) == {
        f"{FIRST}.Filename", "Recipient.Settings.Attachments[1]", "Recipient.Settings.Attachments[2].MimeType",
    }  # fmt: skip
    blank = [an_attachment(filename="", mimeType=" "), an_attachment(filename="x")]
    assert keys_of(await composed.post(a_composed_request(*blank))) == {f"{FIRST}.Filename", f"{FIRST}.MimeType"}


async def test_a_link_must_outlive_the_send_time_by_a_quarter_of_an_hour(composed: ComposedService) -> None:
    due = NOON + HOUR

    async def keys(margin: timedelta, time: str) -> set[str]:
        expiry = to_wire(due + margin).replace(":", "%3A")
        request = a_composed_request(an_attachment(a_sas_url(se=expiry)), requestedSendTime=time)
        response = await composed.post(request)
        return set() if response.status_code == 201 else keys_of(response)

    in_oslo = "2026-03-02T14:00:00+01:00"
    assert await keys(15 * MINUTE, in_oslo) == set()
    assert await keys(15 * MINUTE - SECOND, in_oslo) == {FIRST}
    assert await keys(15 * MINUTE, to_wire(due)) == set()
    assert await keys(15 * MINUTE - SECOND, to_wire(due)) == {FIRST}


async def test_without_a_send_time_the_quarter_of_an_hour_counts_from_now(composed: ComposedService) -> None:
    for expiry, status in (("2026-03-02T12:15:00Z", 201), ("2026-03-02T12:14:59Z", 400)):
        request = a_composed_request(an_attachment(a_sas_url(se=expiry)))
        assert (await composed.post(request)).status_code == status


@pytest.mark.parametrize("name", ["../x.pdf", "a\\b.pdf", "vedtak", "vedtak.", "a/b.pdf", "a.pdf/", "."])
def test_a_file_name_without_extension_or_with_a_slash_is_refused(name: str) -> None:
    assert set(faults_of(filename=name)) == {"A.Filename"}


@pytest.mark.parametrize("name", [".pdf", "a.b.c", "vedtak.pdf", "æøå 1.PDF", "x" * 5000 + ".pdf"])
def test_any_other_file_name_is_allowed(name: str) -> None:
    assert faults_of(filename=name) == {}


@pytest.mark.parametrize(
    "mime_type",
    ["image/jpg", "text/html", "text/plain; charset=utf-8", "application/octet-stream", "application/x-zip"],
)
def test_other_types_than_those_of_the_list_are_refused(mime_type: str) -> None:
    assert set(faults_of(mime_type=mime_type)) == {"A.MimeType"}


@pytest.mark.parametrize("mime_type", ["IMAGE/PNG", "application/vnd.ms-excel.sheet.macroEnabled.12", "video/3gpp2"])
def test_types_are_compared_without_regard_to_case(mime_type: str) -> None:
    assert faults_of(mime_type=mime_type) == {}


def test_there_are_sixty_types() -> None:
    assert len(MIME_TYPES) == 60


LINKS = [
    ("http://etaten.blob.core.windows.net/a?se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("https://blob.core.windows.net.example.com/a?se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("https://evil.example/a?se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("https://blob.core.windows.net/a?se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("https://KONTO.BLOB.CORE.WINDOWS.NET/a?se=2027-01-01&sp=r&sr=b&sig=x", 0),
    ("https://me:pw@konto.blob.core.windows.net:8443?se=2027-01-01&sp=r&sr=b&sig=x", 0),
    ("https://konto.blob.core.windows.net@evil.example/a?se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("https://evil.example#.blob.core.windows.net/?se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("file:///etc/passwd", 1),
    ("//konto.blob.core.windows.net/a", 1),
    ("ut/vedtak.pdf", 1),
    (a_sas_url(sr="c"), 1),
    (a_sas_url(sr="B"), 0),
    (a_sas_url(sr=""), 1),
    (a_sas_url(sig=""), 1),
    (a_sas_url(sig="%20"), 1),
    (a_sas_url(sp="wdl"), 1),
    (a_sas_url(sp="rw"), 0),
    (a_sas_url(sp="R"), 1),
    (a_sas_url(se="not-a-date"), 1),
    (a_sas_url(se="not-a-date", sp="w"), 2),
    (a_sas_url(se="not-a-date", sr="c"), 1),
    (a_sas_url(sv="2022-11-02", spr="https", sip="1.2.3.4", st="x"), 0),
    ("https://konto.blob.core.windows.net/a?SE=2027-01-01&Sp=r&SR=b&SIG=x", 0),
    ("https://konto.blob.core.windows.net/a?sr=b&se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("https://konto.blob.core.windows.net/a#?se=2027-01-01&sp=r&sr=b&sig=x", 1),
    ("https://konto.blob.core.windows.net/a?se=2027-01-01T00%3A00%3A00%2B02%3A00&sp=r&sr=b&sig=x", 0),
    ("https://konto.blob.core.windows.net/a?se=2027-01-01T00:00:00+02:00&sp=r&sr=b&sig=x", 1),
    ("https://konto.blob.core.windows.net/a?se=2027-01-01T00:00Z&sp=r&sr=b&sig=x", 0),
    ("https://konto.blob.core.windows.net/a?se=2027-01-01T00:00:00.1234567Z&sp=r&sr=b&sig=x", 0),
]


@pytest.mark.parametrize(("link", "texts"), LINKS)
def test_a_link_is_refused_for_the_first_rule_it_breaks(link: str, texts: int) -> None:
    faults = faults_of(sas_url=link)
    assert {key: len(messages) for key, messages in faults.items()} == ({"A.SasUrl": texts} if texts else {})


def test_a_wrong_host_and_a_short_expiry_are_both_told() -> None:
    short = a_sas_url("evil.example", se="2026-03-02T12:14:00Z")
    assert set(faults_of(sas_url=short)) == {"A", "A.SasUrl"}


def test_an_expiry_without_zone_is_read_as_utc() -> None:
    assert faults_of(sas_url=a_sas_url(se="2026-03-02T12:15:00")) == {}
    assert set(faults_of(sas_url=a_sas_url(se="2026-03-02T12:14:59"))) == {"A"}


def test_the_ends_of_the_calendar_are_no_obstacle() -> None:
    last = NOON.replace(year=9999, month=12, day=31, hour=23, minute=59)
    assert set(faults_of(due=last, sas_url=a_sas_url(se="0001-01-01T00:00:00%2B14:00"))) == {"A"}
    assert set(faults_of(due=last, sas_url=a_sas_url(se="9999-12-31T23:59:59Z"))) == {"A"}


@settings(max_examples=60)
@given(st.one_of(st.text(), st.text().map(lambda text: f"https://konto.blob.core.windows.net/{text}")))
def test_whatever_a_link_is_it_is_judged_and_never_quoted(link: str) -> None:
    for messages in faults_of(sas_url=link).values():
        assert all(link not in message for message in messages if len(link) > 20)


async def test_further_origins_are_those_of_the_settings_and_no_other_port(composed: ComposedService) -> None:
    link = composed.files.link("vedtak.pdf")
    assert (await composed.post(a_composed_request(an_attachment(link)))).status_code == 201
    other = link.replace(f":{composed.files.port}", ":1")
    assert keys_of(await composed.post(a_composed_request(an_attachment(other)))) == {f"{FIRST}.SasUrl"}


def test_the_examples_are_valid_by_the_document() -> None:
    (route,) = composed_orders.ROUTES
    content = document(composed_orders.ROUTES, "http://here")
    media = content["paths"][route.path]["post"]["requestBody"]["content"]["application/json"]
    schema = {**media["schema"], "components": content["components"]}
    assert all(validator_for(schema).is_valid(example["value"]) for example in media["examples"].values())
    assert not validator_for(schema).is_valid(a_composed_request({"filename": "a.pdf", "mimeType": "application/pdf"}))
