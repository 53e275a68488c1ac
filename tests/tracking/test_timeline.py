from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from altinn_notifications.events import Kind
from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import Channel, EmailResult, OrderStatus, OrderType, SmsResult
from altinn_notifications.recipients.reasons import Reason
from altinn_notifications.tracking.history import load_history
from altinn_notifications.tracking.plain_words import Tone, order_words, oslo_moment, reason_words, result_words
from altinn_notifications.tracking.timeline import message_timeline, next_step, order_timeline
from support.rows import (
    StoredReport,
    a_feed_entry,
    a_stored_email,
    a_stored_order,
    a_stored_sms,
    an_event,
    insert,
    insert_numbered,
)
from support.times import DAY, HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database
    from altinn_notifications.tracking.history import History
    from altinn_notifications.tracking.timeline import Entry

SENT = {"provider": "smtp", "attempt": 1, "started": (NOON + SECOND).isoformat(), "reference": "a-reference"}


async def history_of(db: Database, order_id: UUID) -> History:
    history = await load_history(db, order_id)
    assert history is not None
    return history


def titles(entries: list[Entry]) -> list[str]:
    return [entry.title for entry in entries]


async def test_the_life_of_an_order_is_told_from_registered_to_the_feed(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED, last_change=NOON + MINUTE))
    email = await insert(db, a_stored_email(order.id, result="Delivered", created=NOON + SECOND))
    await insert(db, an_event(order.id, Kind.ORDER_PROCESSED, at=NOON + SECOND, detail={"notifications": 1}))
    sent = an_event(order.id, Kind.SEND_ACCEPTED, notification_id=email.id, at=NOON + 1.25 * SECOND, detail=SENT)
    await insert(db, sent)
    report = {"provider": "SMTP", "result": "Delivered"}
    await insert(db, an_event(order.id, Kind.REPORT_APPLIED, notification_id=email.id, at=NOON + MINUTE, detail=report))
    number = await insert_numbered(db, a_feed_entry(order_id=order.id, created=NOON + MINUTE))
    history = await history_of(db, order.id)
    whole = order_timeline(history)
    assert titles(whole) == ["Registered", "Recipients found", "Completed", "In the status feed"]
    assert whole[2].tone is Tone.GOOD
    assert f"entry {number}" in whole[3].explanation
    one = message_timeline(history, history.messages[0])
    assert titles(one) == ["Made", "Handed over", "Delivered"]
    assert one[1].explanation == "The mail server took it at attempt 1 after 250 ms."
    assert next_step(history.messages[0], now=NOON + MINUTE) is None


DETAILS = {
    "notifications": 2,
    "reason": "profile: TimeoutException",
    "error": "KeyError",
    "claim": 2,
    "at": (NOON + MINUTE).isoformat(),
    "deadline": (NOON + 2 * DAY).isoformat(),
    "provider": "smtp",
    "attempt": 3,
    "started": NOON.isoformat(),
    "result": "Failed_Bounced",
    "pausedUntil": (NOON + MINUTE).isoformat(),
    "next": "retry",
    "was": "Succeeded",
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("channel", Channel)
async def test_every_kind_of_event_has_words_of_its_own(db: Database, channel: Channel, kind: Kind) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSING))
    message = await insert(db, (a_stored_email if channel is Channel.EMAIL else a_stored_sms)(order.id))
    about = None if kind.startswith(("order-", "condition-")) else message.id
    await insert(db, an_event(order.id, kind, notification_id=about, at=NOON + HOUR, detail=DETAILS))
    history = await history_of(db, order.id)
    entries = order_timeline(history) if about is None else message_timeline(history, history.messages[0])
    told = entries[-1]
    assert told.at == NOON + HOUR
    assert told.title != kind
    assert told.explanation
    assert "?" not in told.explanation


async def test_an_event_whose_details_are_missing_is_still_told(db: Database) -> None:
    order = await insert(db, a_stored_order())
    await insert(db, an_event(order.id, Kind.ORDER_RETRY_SCHEDULED, at=NOON + MINUTE))
    assert titles(order_timeline(await history_of(db, order.id))) == ["Registered", "Processing postponed"]


async def test_an_event_that_nobody_knows_is_shown_by_its_name(db: Database) -> None:
    order = await insert(db, a_stored_order())
    await db.execute("INSERT INTO events (order_id, at, kind) VALUES ($1, $2, 'teleported')", order.id, NOON + MINUTE)
    assert titles(order_timeline(await history_of(db, order.id))) == ["Registered", "teleported"]


async def test_an_unknown_outcome_says_what_follows(db: Database) -> None:
    order = await insert(db, a_stored_order())
    email, sms = await insert(db, a_stored_email(order.id)), await insert(db, a_stored_sms(order.id))
    for message, following in ((email, "retry"), (sms, "retry"), (sms, "hold"), (sms, "end")):
        detail = {**SENT, "reason": "no answer", "next": following}
        await insert(db, an_event(order.id, Kind.SEND_UNKNOWN, notification_id=message.id, detail=detail))
    history = await history_of(db, order.id)
    told = [entry.explanation for message in history.messages for entry in message_timeline(history, message)]
    assert "under the same id" in told[1]
    assert "may get it twice" in told[3]
    assert "not repeated, as its owner decided" in told[4]
    assert "meant for that moment" in told[5]


@pytest.mark.parametrize(
    ("result", "title"),
    [("Failed_RecipientReserved", "Reserved"), ("Failed_RecipientNotIdentified", "No address")],
)
async def test_a_message_that_was_made_for_nobody_says_why(db: Database, result: str, title: str) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    await insert(db, a_stored_email(order.id, result=result, destination=""))
    history = await history_of(db, order.id)
    (entry,) = message_timeline(history, history.messages[0])
    assert (entry.title, entry.tone) == (title, Tone.CAUTION)


async def test_a_message_of_an_order_closed_at_its_deadline_was_never_sent(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    await insert(db, a_stored_email(order.id, result="Failed_TTL"))
    history = await history_of(db, order.id)
    assert titles(message_timeline(history, history.messages[0])) == ["Never sent"]


async def test_a_report_that_waits_to_be_matched_is_on_the_timeline(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    await insert(db, a_stored_sms(order.id, result="Accepted", provider_reference="4711"))
    await insert(db, a_stored_sms(order.id, result="Accepted", provider_reference="4712", position=1))
    await insert(db, StoredReport(provider_reference="4711", received=NOON + SECOND))
    await insert(db, StoredReport(provider_reference="4711", settled=NOON))
    history = await history_of(db, order.id)
    timelines = [titles(message_timeline(history, message)) for message in history.messages]
    assert timelines == [["Made", "Delivery report received"], ["Made"]]


async def test_an_entry_that_waits_for_its_number_is_told_too(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    await insert(db, a_feed_entry(order_id=order.id))
    assert "within seconds" in order_timeline(await history_of(db, order.id))[-1].explanation


@pytest.mark.parametrize(
    ("results", "tone", "words"),
    [
        ([], Tone.CAUTION, "nobody to write to"),
        (["Delivered", "Delivered"], Tone.GOOD, "2 messages arrived"),
        (["Delivered", "Failed_Bounced"], Tone.CAUTION, "1 of 2 arrived, 1 did not"),
    ],
)
async def test_a_completed_order_says_how_much_of_it_arrived(
    db: Database, results: list[str], tone: Tone, words: str
) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    for position, result in enumerate(results):
        await insert(db, a_stored_email(order.id, result=result, position=position))
    entry = order_timeline(await history_of(db, order.id))[-1]
    assert (entry.title, entry.tone) == ("Completed", tone)
    assert words in entry.explanation


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"result": "New"}, "waits for its turn"),
        ({"result": "New", "lane": "sms-daytime"}, "daytime"),
        ({"result": "Sending", "attempt_open": True}, "is being asked"),
        ({"result": "Sending", "deferrals": 1, "wake_at": NOON + HOUR}, "next attempt is due 2 March 2026 at 14:00:00"),
        ({"result": "Sending", "outcome_unknown": True, "deferrals": 1}, "is not repeated"),
        ({"result": "Sending", "wake_at": NOON + HOUR}, "about to send"),
        ({"result": "Accepted"}, "report is awaited until 4 March 2026 at 13:00:00"),
    ],
)
async def test_a_pending_message_says_what_it_waits_for(db: Database, state: dict[str, object], words: str) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    await insert(db, a_stored_sms(order.id, **state))
    history = await history_of(db, order.id)
    assert words in (next_step(history.messages[0], now=NOON) or "")


async def test_an_instant_order_is_to_be_sent_at_once(db: Database) -> None:
    order = await insert(db, a_stored_order(type=OrderType.Instant, channel="Sms"))
    (entry,) = order_timeline(await history_of(db, order.id))
    assert entry.explanation == "ttd ordered an SMS, to be sent at once."


async def test_the_orders_of_a_chain_know_each_other(db: Database) -> None:
    chain, main, reminder = new_id(), new_id(), new_id()
    await db.execute(
        "INSERT INTO order_chains (id, creator, type, idempotency_id, idempotency_digest, created, receipt)"
        " VALUES ($1, 'ttd', 0, 'a', 'a', $2, $3)",
        chain,
        NOON,
        {"main": [str(main), None], "reminders": [[str(reminder), "ref"]]},
    )
    await insert(db, a_stored_order(id=main, chain_id=chain))
    later = NOON + 7 * DAY
    await insert(db, a_stored_order(id=reminder, chain_id=chain, type=OrderType.Reminder, requested_send_time=later))
    assert [one.id for one in (await history_of(db, main)).siblings] == [reminder]
    assert [(one.id, one.type) for one in (await history_of(db, reminder)).siblings] == [(main, OrderType.Notification)]


async def test_a_large_order_is_loaded_a_page_at_a_time(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    for position in range(30):
        await insert(db, a_stored_email(order.id, position=position))
    first = await history_of(db, order.id)
    rest = await load_history(db, order.id, first_message=25)
    assert rest is not None
    assert (first.message_count, len(first.messages), len(rest.messages)) == (30, 25, 5)
    assert [message.position for message in (*first.messages, *rest.messages)] == list(range(30))


async def test_an_unknown_order_has_no_history(db: Database) -> None:
    assert await load_history(db, new_id()) is None


@pytest.mark.parametrize("status", OrderStatus)
def test_every_status_has_words(status: OrderStatus) -> None:
    assert order_words(status).meaning


@pytest.mark.parametrize(
    ("channel", "result"), [*((Channel.EMAIL, one) for one in EmailResult), *((Channel.SMS, one) for one in SmsResult)]
)
def test_every_result_has_words(channel: Channel, result: str) -> None:
    assert result_words(channel, result).meaning


def test_what_nobody_knows_is_shown_as_it_is() -> None:
    assert order_words("Dreaming").title == "Dreaming"
    assert result_words(Channel.SMS, "Failed_Moonlight").title == "Failed_Moonlight"


@pytest.mark.parametrize(
    ("moment", "text"),
    [(NOON, "2 March 2026 at 13:00:00"), (NOON + 150 * DAY, "30 July 2026 at 14:00:00")],
)
def test_moments_are_told_on_the_clocks_of_oslo(moment: datetime, text: str) -> None:
    assert oslo_moment(moment) == text


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence_that_names_no_address(channel: Channel, reason: Reason) -> None:
    sentence = reason_words(channel, reason)
    assert sentence is not None
    assert sentence.endswith(".")
    assert "{" not in sentence


async def test_a_message_says_where_its_address_comes_from(db: Database) -> None:
    order = a_stored_order(status="Processed")
    await insert(db, order)
    await insert(db, a_stored_email(order.id))
    await db.execute("UPDATE notifications SET reason = 'registered-instead'")
    history = await load_history(db, order.id)
    assert history is not None
    (made,) = message_timeline(history, history.messages[0])
    assert made.explanation.startswith("The contact register holds no mobile number")
