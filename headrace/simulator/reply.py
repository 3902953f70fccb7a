"""An answer on its way out, and its HTTP/1.1 bytes."""

from http import HTTPStatus
from typing import NamedTuple

from headrace.simulator.errors import ApiError, Headers, duration
from headrace.simulator.limits import Window

JSON = "application/json"
CLOSE = "connection: close\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}


class Reply(NamedTuple):
    """Status, body, and what the header says of it beyond the usual."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Headers = ()


def error_reply(error: ApiError) -> Reply:
    """The error envelope as a reply."""
    return Reply(error.status, error.body(), headers=error.headers)


def head(reply: Reply, *, request_id: str, millis: int, extra: str = "", length: int | None) -> bytes:
    """Status line and header. `length` None means a chunked body; `extra` is whole header lines."""
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    own = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
    return (
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}\r\n"
        f"content-type: {reply.content_type}\r\n{size}\r\n"
        f"x-request-id: {request_id}\r\nopenai-processing-ms: {millis}\r\n{own}{extra}\r\n"
    ).encode("latin-1")


def limit_headers(now: float, requests: Window | None, tokens: Window | None) -> str:
    """The `x-ratelimit-*` lines of the limits that there are (contract 5.2)."""
    lines = ""
    for name, window in (("requests", requests), ("tokens", tokens)):
        if window is not None:
            lines += (
                f"x-ratelimit-limit-{name}: {window.limit}\r\n"
                f"x-ratelimit-remaining-{name}: {window.remaining(now)}\r\n"
                f"x-ratelimit-reset-{name}: {duration(window.reset(now))}\r\n"
            )
    return lines
