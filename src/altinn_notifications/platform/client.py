"""One dependency over HTTP: time limit, few repeats, breaker, and answers read into types (spec 12, 1)."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from altinn_notifications.platform.breaker import Breaker
from altinn_notifications.platform.dependencies import DependencyFailed, DependencyHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from altinn_notifications.platform.dependencies import Dependency
    from altinn_notifications.settings import PlatformSettings

log = structlog.get_logger()
logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it writes every URL, with whatever the query holds

ATTEMPTS: Final = 3
CONCURRENT_CALLS: Final = 16
CONNECT_SECONDS: Final = 5.0
SUCCESS: Final = range(200, 300)
NONE: Final[Mapping[str, str]] = MappingProxyType({})
JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_TRY_AGAIN: Final = frozenset({502, 503, 504})
_QUESTION_REFUSED: Final = 400

AnswerType = TypeVar("AnswerType", bound="Answer")
Result = TypeVar("Result")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


class Answer(BaseModel):
    """A JSON object of an answer: property names in any spelling of case, unknown ones ignored (spec 12, 1)."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, alias_generator=_plain)

    @model_validator(mode="before")
    @classmethod
    def _plain_names(cls, value: object) -> object:
        return {_plain(str(name)): part for name, part in value.items()} if isinstance(value, dict) else value

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class DependencyClient:
    """Asks one dependency. All its questions only read, so each may be repeated."""

    def __init__(  # noqa: PLR0913 - what tells one dependency from another
        self,
        dependency: Dependency,
        base_url: str,
        http: httpx.AsyncClient,
        settings: PlatformSettings,
        *,
        accepted: Container[int] = SUCCESS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dependency = dependency
        self._base_url = base_url.removesuffix("/") + "/"
        self._http = http
        self._timeout = settings.timeout_seconds
        self._retry_delay = settings.retry_delay_ms / 1000
        self._accepted = accepted
        self._monotonic = monotonic
        self._breaker = Breaker()
        self._turns = asyncio.Semaphore(CONCURRENT_CALLS)

    def health(self) -> DependencyHealth:
        """How the dependency has answered lately."""
        circuit = self._breaker.circuit(self._monotonic())
        return DependencyHealth(self.dependency, circuit, self._breaker.consecutive_failures)

    async def ask(
        self, operation: str, path: str, question: Any, answer: type[AnswerType], *, headers: Mapping[str, str] = NONE
    ) -> AnswerType:
        """POST a question in JSON and read the answer. Raises `DependencyFailed`."""
        request = self._request(path, json=question, headers={**JSON, **headers})
        return await self._ask(operation, request, self._reader(operation, answer))

    async def ask_form(
        self, operation: str, path: str, form: Mapping[str, str], answer: type[AnswerType]
    ) -> AnswerType:
        """POST a form and read the answer, which is JSON. Raises `DependencyFailed`."""
        return await self._ask(operation, self._request(path, data=form), self._reader(operation, answer))

    async def status_of(self, operation: str, path: str, *, headers: Mapping[str, str]) -> int:
        """GET a path whose answer is its status, one of the accepted ones. Raises `DependencyFailed`."""
        request = self._http.build_request("GET", self._base_url + path, headers=dict(headers))
        return await self._ask(operation, request, lambda response: response.status_code)

    def _request(self, path: str, **content: Any) -> httpx.Request:
        return self._http.build_request("POST", self._base_url + path, **content)

    async def _ask(self, operation: str, request: httpx.Request, read: Callable[[httpx.Response], Result]) -> Result:
        async with self._turns:
            if not self._breaker.admits(self._monotonic()):
                raise DependencyFailed(self.dependency, operation, "circuit open")
            try:
                result = read(await self._answered(operation, request))
            except DependencyFailed as failure:
                self._note(failure)
                raise
            self._breaker.succeeded()
            return result

    def _note(self, failure: DependencyFailed) -> None:
        if failure.status == _QUESTION_REFUSED:  # it is up, and has something against what was asked
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._monotonic())
        log.warning(
            "dependency_call_failed",
            dependency=str(failure.dependency),
            operation=failure.operation,
            cause=failure.cause,
        )

    async def _answered(self, operation: str, request: httpx.Request) -> httpx.Response:
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._attempt(operation, request)
        except TimeoutError:
            raise DependencyFailed(self.dependency, operation, "timeout") from None
        if response.status_code not in self._accepted:
            cause = f"status {response.status_code}"
            raise DependencyFailed(self.dependency, operation, cause, status=response.status_code)
        return response

    async def _attempt(self, operation: str, request: httpx.Request) -> httpx.Response:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = await self._http.send(request)
            except httpx.TransportError:
                if attempt == ATTEMPTS:
                    raise DependencyFailed(self.dependency, operation, "connection") from None
            except httpx.RequestError:
                raise DependencyFailed(self.dependency, operation, "unreadable answer") from None
            else:
                if response.status_code not in _TRY_AGAIN or attempt == ATTEMPTS:
                    return response
            await asyncio.sleep(self._retry_delay * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        raise AssertionError("the last attempt returns or raises")

    def _reader(self, operation: str, answer: type[AnswerType]) -> Callable[[httpx.Response], AnswerType]:
        def read(response: httpx.Response) -> AnswerType:
            try:
                return answer.model_validate_json(response.content)
            except ValidationError:
                raise DependencyFailed(self.dependency, operation, "unreadable answer") from None

        return read


def http_client() -> httpx.AsyncClient:
    """The connections that all dependencies share. Time limits are the callers'; only connecting has one of its own."""
    return httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT_SECONDS), trust_env=False)
