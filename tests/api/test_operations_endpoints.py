"""Health, metrics, triggers and the condition endpoint for tests (spec 01, 13 and spec 07, 6 to 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from altinn_notifications.database.wakeups import NOTIFICATIONS
from support.requests import an_order_request
from support.rows import StoredNotification, StoredOrder, insert
from support.service import API, running_service
from support.times import DAY, HOUR, MINUTE, NOON

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.service import Service

WAKING = ("sendemail", "sendsmsanytime", "sendsmsdaytime", "sendsms")
TRIGGERS = (*WAKING, "pastdueorders", "terminateexpirednotifications", "deleteoldstatusfeedrecords")


async def gone(service: Service) -> None:
    """Let the database go away for good."""
    await service.services.db.close()


async def metrics(service: Service) -> dict[str, float]:
    """Every sample of a scrape by its name and labels."""
    response = await service.client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.text)
    return {
        " ".join([sample.name, *sorted(sample.labels.values())]): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_health_depends_on_nothing(service: Service, method: str) -> None:
    await gone(service)
    response = await service.client.request(method, "/health")
    assert response.status_code == 200
    assert response.headers["content-length"] == str(len("Healthy"))
    assert response.text in ("Healthy", "")  # HEAD has headers only
    assert response.headers["content-type"].startswith("text/plain")
    assert "no-cache" in response.headers["cache-control"]


async def test_readiness_names_what_is_missing(service: Service) -> None:
    ready = await service.client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "missing": []})
    await service.services.db.execute("DELETE FROM schema_migrations")
    behind = await service.client.get("/health/ready")
    assert (behind.status_code, behind.json()["missing"]) == (503, ["migrations"])
    await service.services.db.execute("DROP TABLE schema_migrations")
    assert (await service.client.get("/health/ready")).json()["missing"] == ["migrations"]
    await gone(service)
    away = await service.client.get("/health/ready")
    assert (away.status_code, away.json()) == (503, {"status": "unavailable", "missing": ["database"]})


async def test_requests_are_counted_by_route_and_status(service: Service) -> None:
    def count(samples: dict[str, float], *labels: str) -> float:
        return samples.get(" ".join(["http_request_duration_seconds_count", *sorted(labels)]), 0)

    route = ("POST", f"{API}/future/orders")
    before = await metrics(service)
    await service.order(an_order_request())
    await service.order(b"{}")
    await service.client.get(f"{API}/unknown/{'x' * 50}")
    after = await metrics(service)
    assert count(after, *route, "201") - count(before, *route, "201") == 1
    assert count(after, *route, "400") - count(before, *route, "400") == 1
    assert count(after, "", "", "404") - count(before, "", "", "404") == 1
    assert not any("xxxxx" in name for name in after)
    assert any(name.startswith("process_resident_memory_bytes") for name in after)


async def test_the_backlog_is_told_to_prometheus(service: Service, db: Database, clock: FixedClock) -> None:
    empty = await metrics(service)
    assert empty["orders_unfinished Registered"] == 0
    assert empty["notifications_pending Email Sending"] == 0
    assert empty["oldest_unfinished_order_seconds"] == 0
    assert empty["overdue_order_seconds"] == 0
    processed = StoredOrder(status="Processed")
    await insert(db, processed)
    await insert(db, StoredOrder(requested_send_time=NOON + DAY))
    await insert(db, StoredOrder(status="Completed", requested_send_time=NOON - 9 * DAY))
    await insert(db, StoredNotification(order_id=processed.id, result="Sending"))
    await insert(db, StoredNotification(order_id=processed.id, result="Delivered"))
    clock.turn(HOUR)
    late = await metrics(service)
    assert late["database_up"] == 1
    assert late["orders_unfinished Processed"] == 1
    assert late["orders_unfinished Registered"] == 1
    assert late["notifications_pending Email Sending"] == 1
    assert late["oldest_unfinished_order_seconds"] == HOUR.total_seconds()
    assert late["overdue_order_seconds"] == 0


async def test_an_order_past_its_deadline_and_grace_is_overdue(
    service: Service, db: Database, clock: FixedClock
) -> None:
    await insert(db, StoredOrder(status="Processed"))
    clock.turn(2 * DAY + 20 * MINUTE)  # 48 hours, five minutes of grace, and a quarter of an hour for termination
    assert (await metrics(service))["overdue_order_seconds"] == 0
    clock.turn(MINUTE)
    assert (await metrics(service))["overdue_order_seconds"] == 60


async def test_without_database_the_rest_of_the_metrics_is_told(service: Service) -> None:
    await gone(service)
    samples = await metrics(service)
    assert samples["database_up"] == 0
    assert "overdue_order_seconds" not in samples


@pytest.mark.parametrize("name", TRIGGERS)
async def test_triggers_answer_with_nothing(service: Service, name: str) -> None:
    response = await service.client.post(f"{API}/trigger/{name}")
    assert (response.status_code, response.content) == (200, b"")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await service.client.post(f"{API}/trigger/{name}", headers=form)).status_code == 200
    assert (await service.client.get(f"{API}/trigger/{name}")).status_code == 405


@pytest.mark.parametrize("name", WAKING)
async def test_triggers_of_sending_wake_the_senders(service: Service, name: str) -> None:
    awake = service.services.wakeups.subscribe(NOTIFICATIONS)
    await service.client.post(f"{API}/trigger/{name}")
    assert awake.is_set()


async def test_due_orders_are_processed_on_request(service: Service) -> None:
    await service.order(an_order_request())
    assert (await service.client.post(f"{API}/trigger/pastdueorders")).status_code == 200
    assert await service.services.db.fetchval("SELECT status FROM order_states") == "Processed"
    assert await service.services.db.fetchval("SELECT count(*) FROM notifications") == 1


async def test_expired_notifications_are_ended_on_request(service: Service, db: Database, clock: FixedClock) -> None:
    order = StoredOrder(status="Processed")
    await insert(db, order)
    await insert(db, StoredNotification(order_id=order.id, result="Succeeded"))
    clock.turn(2 * DAY + 6 * MINUTE)
    assert (await service.client.post(f"{API}/trigger/terminateexpirednotifications")).status_code == 200
    assert await db.fetchval("SELECT result FROM notification_states") == "Failed_TTL"


@pytest.mark.parametrize("name", ["terminateexpirednotifications", "deleteoldstatusfeedrecords"])
async def test_work_that_fails_is_told_in_a_sentence(service: Service, name: str) -> None:
    await gone(service)
    response = await service.client.post(f"{API}/trigger/{name}")
    assert response.status_code == 500
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text.endswith(".")


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("?conditionMet=true", True),
        ("?CONDITIONMET=TRUE", True),
        ("?conditionMet=false", False),
        ("?conditionMet=1", False),
        ("?conditionMet=maybe", False),
        ("?conditionMet=", False),
        ("", False),
    ],
)
async def test_the_condition_for_tests_echoes_the_wish(service: Service, query: str, answer: bool) -> None:  # noqa: FBT001 - the answer is what the endpoint says
    response = await service.client.get(f"{API}/tests/sendcondition{query}")
    assert response.json() == {"sendNotification": answer}


async def test_the_condition_for_tests_refuses_forms(service: Service) -> None:
    response = await service.client.get(f"{API}/tests/sendcondition", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


async def test_an_api_whose_database_is_away_from_the_start_answers_for_itself(clock: FixedClock) -> None:
    async with running_service("postgresql://nobody@127.0.0.1:1/nothing", clock) as service:
        assert (await service.client.get("/health")).status_code == 200
        ready = await service.client.get("/health/ready")
        assert (ready.status_code, ready.json()["missing"]) == (503, ["database"])
        assert (await service.order(an_order_request())).status_code == 503
