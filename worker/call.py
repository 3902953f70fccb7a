"""One HTTP call to a provider: under a total deadline, never redirected, never larger than a cap."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gevent
import requests
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)
from urllib3 import Timeout
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError

from headrace.config import Provider, Route
from headrace.exact_json import dumps, loads
from headrace.failpoints import failpoint
from headrace.provider_session import body_of, new_session
from worker.connections import Adapter

CONNECT_SECONDS = 10.0
UNSENDABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    LocationValueError,
    UnicodeEncodeError,
)
UNMADE = (*UNSENDABLE, requests.exceptions.InvalidHeader, requests.exceptions.MissingSchema, UnicodeError)


class Answer(NamedTuple):
    """What came back, whole, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotSent(NamedTuple):
    """The request never left: it cost nothing."""

    reason: str


class Lost(NamedTuple):
    """The request may have left, and no whole answer came: it may have been paid for."""

    code: str
    reason: str


Result = Answer | NotSent | Lost


class _Start(NamedTuple):
    """How each call of an endpoint begins: requests would take as long to prepare it again as to send it."""

    adapter: Adapter
    request: requests.PreparedRequest


class Caller:
    """Keeps connections to the providers open between calls."""

    def __init__(self, *, timeout_seconds: float, max_answer_bytes: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        # requests would make one of these for each call, and its types do not tell that it takes one
        self._timeout: Any = Timeout(connect=min(CONNECT_SECONDS, timeout_seconds), read=timeout_seconds)
        self._adapters: dict[str, Adapter] = {}
        self._starts: dict[tuple[str, str], _Start] = {}
        self._blink = Retrying(
            retry=retry_if_exception_type(_NeverSent),
            stop=stop_after_attempt(4) | stop_after_delay(5),
            wait=wait_random_exponential(multiplier=0.25, max=2),
            reraise=True,
        )

    def call(self, route: Route, endpoint: str, lane: str, body: str, request_id: str) -> Result:
        """Send one request and read its answer; what goes wrong is a result too.

        `endpoint` begins with /v1, like the provider's base URL ends; `lane` is the model in the body.
        Only what never left is sent again.
        """
        limit = gevent.Timeout(self._timeout_seconds)
        limit.start()
        try:
            return self._made(route, endpoint, _for_provider(body, lane, route.model), request_id)
        except _NeverSent as error:
            return NotSent(str(error))
        except (requests.RequestException, HTTPError, OSError) as error:
            return Lost(
                "connection_lost", f"{type(error).__name__}: the connection ended before the answer did"
            )
        except gevent.Timeout as expired:
            if expired is not limit:
                raise
            return Lost("timeout", f"No whole answer within {self._timeout_seconds:g} s")
        finally:
            limit.close()

    def _made(self, route: Route, endpoint: str, body: bytes, request_id: str) -> Result:
        try:
            start = self._start(route.provider, endpoint)
        except UNMADE as error:
            return _unmade(error)
        request = _request(start.request, body, request_id)
        try:
            return self._send(request, start.adapter)
        except _NeverSent as error:
            return self._blink(_after(error, self._send), request, start.adapter)

    def _send(self, request: requests.PreparedRequest, adapter: Adapter) -> Result:
        try:
            response = adapter.send(request, timeout=self._timeout, stream=True)
        except UNSENDABLE as error:  # not InvalidHeader: here it is one of the answer
            return _unmade(error)
        except requests.RequestException as error:
            if _never_left(error):
                raise _NeverSent(_root(error)) from error
            raise
        failpoint("first-byte")
        with response:
            return self._read(response)

    def _read(self, response: requests.Response) -> Result:
        body = body_of(response, self._max_answer_bytes)
        if body is None:
            return Lost("answer_too_large", f"The answer is larger than {self._max_answer_bytes} bytes")
        return Answer(response.status_code, response.headers, body)

    def _start(self, provider: Provider, endpoint: str) -> _Start:
        start = self._starts.get((provider.name, endpoint))
        if start is None:
            adapter = self._adapters.setdefault(provider.name, Adapter())
            url = provider.base_url + endpoint.removeprefix("/v1")
            blank = requests.Request("POST", url, headers={"Content-Type": "application/json"})
            with new_session(provider) as session:
                ready = session.prepare_request(blank)
            ready.headers = dict(ready.headers)  # type: ignore[assignment] # of which a copy costs little
            start = self._starts[provider.name, endpoint] = _Start(adapter, ready)
        return start


class _NeverSent(Exception):
    """A connection that was never made."""


def _request(blank: requests.PreparedRequest, body: bytes, request_id: str) -> requests.PreparedRequest:
    request = requests.PreparedRequest()
    request.method, request.url, request.body = blank.method, blank.url, body
    more = {"X-Client-Request-Id": request_id, "Content-Length": str(len(body))}
    request.headers = {**blank.headers, **more}  # type: ignore[assignment]
    return request


def _after(first: _NeverSent, send: Callable[..., Result]) -> Callable[..., Result]:
    """The attempts for tenacity, which would cost each call a tenth more: the first has failed."""
    failed = iter([first])

    def again(*what: Any) -> Result:
        for error in failed:
            raise error
        return send(*what)

    return again


def _for_provider(body: str, lane: str, model: str) -> bytes:
    """The body as the client gave it, but for the model's name where the provider has another."""
    if lane == model:
        return body.encode()
    return dumps({**loads(body), "model": model}).encode()


def _unmade(error: Exception) -> NotSent:
    """Its words may have the key."""
    return NotSent(f"{type(error).__name__}: no request can be made of the provider's URL and key")


def _never_left(error: requests.RequestException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error


def _root(error: BaseException) -> str:
    cause = _cause(error)
    return f"{type(cause).__name__}: {cause}"
