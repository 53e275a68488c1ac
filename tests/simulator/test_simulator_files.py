"""The file store: put, linked, fetched with a signature that expires, and failing on demand (spec 13, 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx
import pytest

from altinn_notifications.platform.attachments import AttachmentOrigins
from altinn_notifications.simulator.files import LARGEST_FILE, SEEDED, Files
from support.simulator import BROWSER
from support.times import HOUR, NOON, SECOND

if TYPE_CHECKING:
    from support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def put(world: World, name: str, content: bytes, query: str = "") -> dict[str, Any]:
    answer = await world.http.put(f"{world.url}/sim/files/{name}{query}", content=content)
    assert answer.status_code == 201
    described: dict[str, Any] = answer.json()
    return described


async def fetch(world: World, url: str) -> httpx.Response:
    """The file, from where this simulator listens rather than from its usual port."""
    return await world.http.get(world.url + url[url.index("/sim/files") :])


async def test_what_is_put_is_fetched_through_its_link(world: World) -> None:
    file = await put(world, "brev (1).pdf", b"%PDF")
    assert (file["name"], file["size"], file["contentType"]) == ("brev (1).pdf", 4, "application/pdf")
    answer = await fetch(world, file["url"])
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"%PDF", "application/pdf")


async def test_links_begin_with_the_origin_that_the_local_profile_allows(world: World) -> None:
    url = httpx.URL((await put(world, "a.pdf", b"1"))["url"])
    assert AttachmentOrigins((f"http://{url.netloc.decode()}",)).allow(url)
    assert url.host == "localhost"
    assert set(url.params) == {"se", "sp", "sr", "sig"}


async def test_without_its_signature_a_file_is_closed(world: World) -> None:
    url = (await put(world, "a.pdf", b"1"))["url"]
    assert (await fetch(world, url.partition("?")[0])).status_code == 403
    assert (await fetch(world, url.replace("a.pdf", "vedtak.pdf"))).status_code == 403
    assert (await fetch(world, url.replace("se=2", "se=3"))).status_code == 403


async def test_a_link_works_until_it_expires() -> None:
    files = Files()
    given = dict(parse_qsl(files.query("a.pdf", NOON + HOUR)))
    assert files.opens("a.pdf", given, NOON + HOUR - SECOND)
    assert not files.opens("a.pdf", given, NOON + HOUR)


async def test_an_expired_link_is_refused(world: World) -> None:
    url = (await put(world, "a.pdf", b"1", "?validMinutes=0"))["url"]
    assert (await fetch(world, url)).status_code == 403


async def test_a_link_to_a_file_that_is_gone_is_not_found(world: World) -> None:
    url = (await put(world, "a.pdf", b"1"))["url"]
    await world.http.post(f"{world.url}/sim/reset")
    assert (await fetch(world, url)).status_code == 404


async def test_too_large_and_misnamed_files_are_refused(world: World) -> None:
    answer = await world.http.put(f"{world.url}/sim/files/a.pdf", content=bytes(LARGEST_FILE + 1))
    assert answer.status_code == 400
    assert (await world.http.put(f"{world.url}/sim/files/a%22b", content=b"")).status_code == 400


async def test_downloads_fail_on_demand_and_are_seen_in_the_calls_without_signature(world: World) -> None:
    url = (await put(world, "a.pdf", b"1"))["url"]
    await world.http.post(
        f"{world.url}/sim/faults", json={"target": "files", "mode": "error", "status": 404, "count": 2}
    )
    assert [(await fetch(world, url)).status_code for _ in range(3)] == [404, 404, 200]
    calls = (await world.get("/sim/calls?target=files"))["calls"]
    assert [call["status"] for call in calls[:3]] == [200, 404, 404]
    assert "sig=***" in calls[0]["path"]


async def test_the_page_lists_every_file_with_its_link(world: World) -> None:
    await world.http.post(f"{world.url}/sim/reset")
    listed = (await world.get("/sim/files"))["files"]
    assert [file["name"] for file in listed] == list(SEEDED)
    page = await world.http.get(f"{world.url}/sim/files", headers=BROWSER)
    assert page.status_code == 200
    assert all(name in page.text for name in SEEDED)


async def test_the_oldest_file_makes_room_for_a_new_one() -> None:
    files = Files()
    for number in range(100):
        files.put(f"{number}.txt", b"")
    assert len(files.by_name) == 100
    assert "vedtak.pdf" not in files.by_name
