"""Errors in the words of an OpenAI-compatible provider (contract 4.8 and 5.4)."""

from functools import lru_cache
from math import ceil, inf

import orjson

from headrace.simulator.limits import Refusal

ORGANISATION = "org-simulator"
Headers = tuple[tuple[str, str], ...]


class ApiError(Exception):
    """An answer with the error envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.envelope = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers = headers

    def body(self) -> bytes:
        """The envelope as JSON."""
        return orjson.dumps(self.envelope)


def missing(param: str) -> ApiError:
    """A body without a parameter that it needs."""
    return ApiError(
        400,
        f"Missing required parameter: '{param}'.",
        param=param,
        code="missing_required_parameter",
    )


def wrong_type(param: str, expected: str) -> ApiError:
    """A parameter of the wrong JSON type."""
    return ApiError(
        400,
        f"Invalid type for '{param}': expected {expected}.",
        param=param,
        code="invalid_type",
    )


def rate_limited(refusal: Refusal, model: str) -> ApiError:
    """The 429 of a limit (contract 5.4). Its `retry-after` is in whole seconds."""
    if refusal.kind == "in_flight":
        message = f"Too many requests in flight: Limit {refusal.limit}. Please slow down."
        return ApiError(
            429,
            message,
            kind="rate_limit_error",
            code="slow_down",
            headers=retry_after(1),
        )
    name = "tokens per min (TPM)" if refusal.kind == "tokens" else "requests per min (RPM)"
    place = f"for {model} in organization {ORGANISATION} on {name}: Limit {refusal.limit}"
    if refusal.wait == inf:
        message = (
            f"Request too large {place}, Requested {refusal.requested}. It can never fit; make it smaller."
        )
        return ApiError(429, message, kind=refusal.kind, code="rate_limit_exceeded")
    message = (
        f"Rate limit reached {place}, Used {refusal.used}, Requested {refusal.requested}. "
        f"Please try again in {duration(refusal.wait)}."
    )
    headers = retry_after(max(1, ceil(refusal.wait)))
    return ApiError(429, message, kind=refusal.kind, code="rate_limit_exceeded", headers=headers)


def retry_after(value: int | str) -> Headers:
    """The header, in seconds or as a date."""
    return (("retry-after", str(value)),)


def duration(seconds: float) -> str:
    """A time as Go prints it, rounded up to a millisecond: `20ms`, `3.89s`, `6m0s`."""
    return _go_duration(max(0, ceil(seconds * 1000 - 1e-6)))


# The same few thousand values come again and again, in two headers of every answer.
@lru_cache(maxsize=65_536)
def _go_duration(millis: int) -> str:
    if millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
