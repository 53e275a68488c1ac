"""Fetching what a caller's URL points to, without letting it point inside our own network (spec 12, 5)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

import httpcore
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address

MOST_REDIRECTS: Final = 3
CONNECTIONS: Final = 256
IDLE_SECONDS: Final = 15.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NAT64: Final = IPv6Network("64:ff9b::/96")

Resolver = Callable[[str, int], Awaitable[list[str]]]


class FetchFailed(Exception):
    """Nothing usable was fetched. `cause` says why in few words and never quotes the URL or the answer.

    `is_final` says that the same URL will fail again, however often it is tried.
    """

    def __init__(self, cause: str, *, is_final: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.is_final = is_final


class BudgetExceeded(FetchFailed):
    """More came than may be read; `read` is how many bytes had been."""

    def __init__(self, read: int) -> None:
        super().__init__("answer too large", is_final=True)
        self.read = read


class ByteBudget:
    """How much may be read in all, by any number of fetches."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.spent = 0

    def spend(self, octets: int) -> None:
        """Count what was read. Raises `BudgetExceeded`."""
        self.spent += octets
        if self.spent > self._limit:
            raise BudgetExceeded(self.spent)


@dataclass(frozen=True, slots=True, repr=False)
class Fetched:
    """An answer that is not a redirect. `body` is only read when `status` is a success."""

    status: int
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return httpx.codes.is_success(self.status)


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses of a host as the operating system finds them. Raises `OSError` or `UnicodeError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class AddressGuard:
    """Says to which addresses of a host a connection may be made: public ones, and what `allowed` names.

    `allowed` holds host names, addresses and address ranges. Raises `ValueError` for a range that is none.
    """

    def __init__(self, allowed: Iterable[str], *, resolve: Resolver = system_resolver) -> None:
        entries = [entry.lower() for entry in allowed]
        self._networks = [ip_network(entry, strict=False) for entry in entries if _is_range(entry)]
        self._hosts = frozenset(entry for entry in entries if not _is_range(entry))
        self._resolve = resolve

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect, best address first. Raises `FetchFailed`."""
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise FetchFailed("unknown host") from None
        permitted = [address for address in dict.fromkeys(found) if self._permits(host, ip_address(address))]
        if not permitted:
            raise FetchFailed("address not allowed", is_final=True)
        return permitted

    def _permits(self, host: str, address: IPv4Address | IPv6Address) -> bool:
        return (
            host.lower() in self._hosts or any(address in network for network in self._networks) or is_public(address)
        )


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the internet at large, also after every translation that it may stand for."""
    if isinstance(address, IPv6Address):
        if address.is_site_local:  # withdrawn, but still routed inside some networks
            return False
        inner = _embedded(address)
        if inner is not None and not is_public(inner):
            return False
    return address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return ip_address(address.packed[-4:])  # type: ignore[return-value]  # four bytes make an IPv4Address
    return address.ipv4_mapped or address.sixtofour


def _is_range(entry: str) -> bool:
    if "/" in entry:
        return True
    try:
        ip_address(entry)
    except ValueError:
        return False
    return True


class _CheckedSockets(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only.

    The check sits where the socket is made, so the name cannot resolve to something else in between, and a redirect
    cannot go around it. TLS still verifies the name of the URL.
    """

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = FetchFailed("address not allowed")
        for address in await self._guard.addresses(host, port):
            try:
                return await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._sockets.sleep(seconds)


class GuardedFetcher:
    """GETs callers' URLs within limits: `timeout_seconds` in all, `max_bytes` of body, few redirects.

    `may_redirect` says where they may lead; without it, anywhere over https.
    """

    def __init__(
        self,
        guard: AddressGuard,
        *,
        timeout_seconds: float,
        max_bytes: int,
        may_redirect: Callable[[httpx.URL], bool] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout_seconds
        self._max_bytes = max_bytes
        self._may_redirect = may_redirect or _is_https
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_CheckedSockets(guard),
        )

    async def get(self, url: str, headers: Mapping[str, str], *, budget: ByteBudget | None = None) -> Fetched:
        """The answer at `url` or where it redirects to; `headers` go to `url` alone. Raises `FetchFailed`.

        A `budget` that several fetches share takes the place of `max_bytes`; raises `BudgetExceeded`.
        """
        allowance = budget or ByteBudget(self._max_bytes)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(_parsed(url), headers, allowance)
        except TimeoutError:
            raise FetchFailed("timeout") from None
        except (httpcore.NetworkError, httpcore.TimeoutException):
            raise FetchFailed("connection") from None
        except httpcore.ProtocolError:
            raise FetchFailed("unreadable answer") from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._pool.aclose()

    async def _follow(self, url: httpx.URL, headers: Mapping[str, str], budget: ByteBudget) -> Fetched:
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._get(url, headers, budget)
            if isinstance(answer, Fetched):
                return answer
            url, headers = self._redirected(url, answer), {}
        raise FetchFailed("too many redirects", is_final=True)

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            target = url.join(location)
        except (httpx.InvalidURL, ValueError):
            raise FetchFailed("unusable redirect", is_final=True) from None
        if not target.host or not self._may_redirect(target):
            raise FetchFailed("unusable redirect", is_final=True)
        return target

    async def _get(self, url: httpx.URL, headers: Mapping[str, str], budget: ByteBudget) -> Fetched | str:
        """The answer, or the location that it redirects to."""
        sent = [("Host", url.netloc.decode("ascii")), *headers.items()]
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        async with self._pool.stream("GET", target, headers=sent) as response:
            location = _header(response, b"location")
            if response.status in _REDIRECTS and location:
                return location
            if not httpx.codes.is_success(response.status):
                return Fetched(response.status)
            return Fetched(response.status, await _content(response, budget))


async def _content(response: httpcore.Response, budget: ByteBudget) -> bytes:
    parts = []
    async for part in response.aiter_stream():
        budget.spend(len(part))
        parts.append(part)
    return b"".join(parts)


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise FetchFailed("not a web address", is_final=True) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise FetchFailed("not a web address", is_final=True)
    return parsed


def _is_https(url: httpx.URL) -> bool:
    return url.scheme == "https"


def _header(response: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), None)
