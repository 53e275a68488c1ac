from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.platform.guarded_fetch import (
    AddressGuard,
    FetchFailed,
    GuardedFetcher,
    is_public,
    system_resolver,
)
from support.platform_peer import CONDITION, Reply, running_peer
from support.tls import localhost_identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.platform_peer import PlatformPeer

HERE = ("127.0.0.1",)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to refuse
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fe80::1%1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::5db8:d822", True),
        ("2001::1", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, public: bool) -> None:  # noqa: FBT001 - one row of the table
    assert is_public(ip_address(address)) is public


def guard(*allowed: str, **hosts: list[str]) -> AddressGuard:
    """A guard in a world where these hosts have these addresses, and no other host exists."""

    async def resolve(host: str, _: int) -> list[str]:
        if host not in hosts:
            raise OSError
        return hosts[host]

    return AddressGuard(allowed, resolve=resolve)


async def test_of_a_hosts_addresses_only_the_public_ones_are_used() -> None:
    addresses = ["10.0.0.1", "93.184.216.34", "93.184.216.34", "::1"]
    assert await guard(host=addresses).addresses("host", 443) == ["93.184.216.34"]


@pytest.mark.parametrize("allowed", ["HOST", "10.0.0.0/8", "10.0.0.1", "10.1.2.3/8"])
async def test_a_setting_allows_hosts_and_ranges_all_the_same(allowed: str) -> None:
    assert await guard(allowed, host=["10.0.0.1"]).addresses("host", 80) == ["10.0.0.1"]


@pytest.mark.parametrize("allowed", ["other", "10.1.0.0/16", "st", "10.0.0.2"])
async def test_what_the_setting_does_not_name_stays_refused(allowed: str) -> None:
    with pytest.raises(FetchFailed, match="address not allowed"):
        await guard(allowed, host=["10.0.0.1"]).addresses("host", 80)


async def test_a_host_that_does_not_exist_is_told_from_one_that_is_refused() -> None:
    with pytest.raises(FetchFailed, match="unknown host"):
        await guard().addresses("nowhere", 80)


def test_a_range_that_is_none_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        AddressGuard(["10.0.0.0/99"])


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "::1"])
async def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(FetchFailed):
        await AddressGuard([], resolve=system_resolver).addresses(host, 80)


@pytest.mark.parametrize(
    "url", ["ftp://example.no/", "file:///etc/passwd", "http:///path", "nonsense", "", "http://[::1", "gopher://x"]
)
async def test_what_is_no_web_address_is_not_fetched(url: str) -> None:
    fetcher = GuardedFetcher(AddressGuard(HERE), timeout_seconds=5, max_bytes=100)
    with pytest.raises(FetchFailed, match="not a web address"):
        await fetcher.get(url, {})
    await fetcher.close()


async def test_a_connection_goes_to_the_address_that_was_checked(peer: PlatformPeer) -> None:
    asked: list[str] = []

    async def changing(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    fetcher = GuardedFetcher(AddressGuard(HERE, resolve=changing), timeout_seconds=5, max_bytes=100)
    fetched = await fetcher.get(f"http://conditions.example:{peer.port}{CONDITION}", {})
    await fetcher.close()
    assert fetched.is_success
    assert asked == ["conditions.example"]
    assert peer.calls[0].headers["host"] == f"conditions.example:{peer.port}"


async def test_connections_are_used_again(peer: PlatformPeer) -> None:
    asked: list[str] = []

    async def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    fetcher = GuardedFetcher(AddressGuard(HERE, resolve=resolve), timeout_seconds=5, max_bytes=100)
    for _ in range(3):
        await fetcher.get(f"http://conditions.example:{peer.port}{CONDITION}", {})
    await fetcher.close()
    assert len(asked) == 1


async def test_the_next_address_is_tried_when_one_does_not_answer(peer: PlatformPeer) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.99", "127.0.0.1"]

    fetcher = GuardedFetcher(AddressGuard(["127.0.0.0/8"], resolve=resolve), timeout_seconds=5, max_bytes=100)
    assert (await fetcher.get(f"http://conditions.example:{peer.port}{CONDITION}", {})).is_success
    await fetcher.close()


async def test_a_body_of_just_the_limit_is_read(peer: PlatformPeer) -> None:
    fetcher = GuardedFetcher(AddressGuard(HERE), timeout_seconds=5, max_bytes=100)
    peer.answer_next(CONDITION, Reply(b"x" * 100), Reply(b"x" * 101))
    assert len((await fetcher.get(f"{peer.url}{CONDITION}", {})).body) == 100
    with pytest.raises(FetchFailed, match="answer too large"):
        await fetcher.get(f"{peer.url}{CONDITION}", {})
    await fetcher.close()


class TestRedirects:
    """To https only, a few at most, without the token, and guarded like the first address."""

    @pytest.fixture
    def trust(self, tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        identity = localhost_identity(tmp_path)
        return identity.server, ssl.create_default_context(cafile=identity.certificate)

    @pytest.fixture
    async def secure(self, trust: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[PlatformPeer]:
        async with running_peer(trust[0]) as running:
            yield running

    @pytest.fixture
    async def fetcher(self, trust: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[GuardedFetcher]:
        made = GuardedFetcher(
            AddressGuard(HERE, resolve=_local), timeout_seconds=5, max_bytes=1000, ssl_context=trust[1]
        )
        yield made
        await made.close()

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_to_https_is_followed_without_the_token(
        self, peer: PlatformPeer, secure: PlatformPeer, fetcher: GuardedFetcher, status: int
    ) -> None:
        target = f"https://localhost:{secure.port}{CONDITION}"
        peer.answer_next(CONDITION, Reply(status=status, headers={"Location": target}))
        fetched = await fetcher.get(f"{peer.url}{CONDITION}", {"Authorization": "Bearer secret"})
        assert fetched.body == b'{"sendNotification": true}'
        assert "authorization" not in secure.calls[0].headers
        assert secure.calls[0].headers["host"] == f"localhost:{secure.port}"

    async def test_a_relative_redirect_of_an_https_address_is_followed(
        self, secure: PlatformPeer, fetcher: GuardedFetcher
    ) -> None:
        secure.answer_next("/old", Reply(status=308, headers={"Location": f"..{CONDITION}?a=1"}))
        fetched = await fetcher.get(f"https://localhost:{secure.port}/old", {})
        assert fetched.is_success
        assert secure.calls[-1].target == f"{CONDITION}?a=1"

    async def test_after_three_redirects_it_is_enough(self, secure: PlatformPeer, fetcher: GuardedFetcher) -> None:
        onward = Reply(status=302, headers={"Location": f"https://localhost:{secure.port}{CONDITION}"})
        secure.answer_next(CONDITION, *[onward] * 3)
        assert (await fetcher.get(f"https://localhost:{secure.port}{CONDITION}", {})).is_success
        secure.answer_next(CONDITION, *[onward] * 4)
        with pytest.raises(FetchFailed, match="too many redirects"):
            await fetcher.get(f"https://localhost:{secure.port}{CONDITION}", {})

    @pytest.mark.parametrize("location", ["http://localhost/", "//[::1", "ftp://localhost/"])
    async def test_other_redirects_are_not_followed(
        self, secure: PlatformPeer, fetcher: GuardedFetcher, location: str
    ) -> None:
        secure.answer_next(CONDITION, Reply(status=302, headers={"Location": location}))
        with pytest.raises(FetchFailed, match="unusable redirect"):
            await fetcher.get(f"https://localhost:{secure.port}{CONDITION}", {})

    async def test_a_redirect_inside_is_refused(self, secure: PlatformPeer, fetcher: GuardedFetcher) -> None:
        secure.answer_next(CONDITION, Reply(status=302, headers={"Location": "https://inside.example/"}))
        with pytest.raises(FetchFailed, match="address not allowed"):
            await fetcher.get(f"https://localhost:{secure.port}{CONDITION}", {})

    async def test_the_certificate_must_be_of_the_host_in_the_address(
        self, secure: PlatformPeer, fetcher: GuardedFetcher
    ) -> None:
        with pytest.raises(FetchFailed, match="connection"):
            await fetcher.get(f"https://somebody-else.example:{secure.port}{CONDITION}", {})
        assert secure.calls == []


async def _local(host: str, _: int) -> list[str]:
    return ["10.0.0.1"] if host == "inside.example" else ["127.0.0.1"]
