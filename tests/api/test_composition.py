"""Which part of the application answers which path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from altinn_notifications.settings import GeneralSettings
from support.service import API, running_service

if TYPE_CHECKING:
    from starlette.types import Message

    from altinn_notifications.clock import FixedClock
    from support.service import Service


async def test_the_console_has_the_paths_that_the_api_does_not_know(service: Service) -> None:
    start = await service.client.get("/")
    assert start.status_code == 200
    assert start.headers["content-type"].startswith("text/html")
    for_people = await service.client.get("/nothing/here", headers={"Accept": "text/html"})
    assert for_people.status_code == 404
    assert for_people.headers["content-type"].startswith("text/html")
    for_programs = await service.client.get("/nothing/here")
    assert (for_programs.status_code, for_programs.content) == (404, b"")


@pytest.mark.parametrize("path", [f"{API}/nothing", "/notifications/", "/Notifications/api/v1/x", "/notifications/x"])
async def test_below_the_base_path_a_404_is_empty(service: Service, path: str) -> None:
    response = await service.client.get(path)
    assert (response.status_code, response.content) == (404, b"")


async def test_the_api_stands_without_a_console(database_url: str, clock: FixedClock) -> None:
    async with running_service(database_url, clock, general=GeneralSettings(console=False)) as service:
        assert (await service.client.get("/")).status_code == 404
        assert (await service.client.get("/health/")).status_code == 200


async def test_the_start_and_end_of_a_server_are_acknowledged(service: Service) -> None:
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    answers: list[str] = []

    async def receive() -> Message:
        return next(events)

    async def send(message: Message) -> None:
        answers.append(message["type"])

    await service.app({"type": "lifespan"}, receive, send)
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
