"""What stands in an answer: its JSON, its error, when to come back. Nothing here judges."""

from codecs import BOM_UTF8
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from headrace.exact_json import loads_rounded

EXCERPT_CHARACTERS = 500
EMPTY_ACCOUNT_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is; None if it is anything else."""
    document = _parsed(body)
    return document if isinstance(document, dict) else None


def text_of(body: bytes) -> str:
    """A body that was parsed, and so is UTF-8. A byte order mark before it is no part of its JSON."""
    return body.removeprefix(BOM_UTF8).decode()


def in_envelope(body: bytes, code: str | None) -> str:
    """The provider's body if it is a JSON object, else its beginning as an error envelope."""
    if json_object(body) is not None:
        return text_of(body)
    error = {"message": excerpt(body), "type": "provider_error", "param": None, "code": code}
    return orjson.dumps({"error": error}).decode()


def error_in(body: bytes) -> Mapping[str, Any]:
    """The fields of the error that a body tells; what is no error object becomes its `message`."""
    document = json_object(body) or {}
    error = document.get("error", document)
    if isinstance(error, Mapping) and error:
        return error
    return {"message": error or excerpt(body)}


def message_of(error: Mapping[str, Any]) -> str:
    """The provider's words."""
    return _words(error.get("message") or error.get("detail") or "the provider gave no reason")


def code_of(error: Mapping[str, Any]) -> str | None:
    """Its code, else its type."""
    code = error.get("code") or error.get("type")
    return _words(code) if code else None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The provider's name for the call."""
    request_id = headers.get("x-request-id")
    return clean(request_id) if request_id else None


def is_empty_account(error: Mapping[str, Any]) -> bool:
    """Whether it is money that is missing."""
    code = error.get("code")
    return error.get("type") == "insufficient_quota" or (
        isinstance(code, str) and code in EMPTY_ACCOUNT_CODES
    )


def is_too_large(error: Mapping[str, Any]) -> bool:
    """More tokens than the whole limit: waiting cannot help (contract 5.3)."""
    return "request too large" in message_of(error).lower()


def redirect_of(headers: Mapping[str, str]) -> Mapping[str, Any]:
    """A redirect as an error. What may be secret of its target is left out: the user and the query."""
    try:
        parts = urlsplit(headers.get("location", ""))
        target = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        target = "an address that cannot be read"
    message = f"it redirects to {target or 'nowhere'}, which is not followed; is the base URL right?"
    return {"message": message, "code": "redirect"}


def says_when(headers: Mapping[str, str]) -> bool:
    """Whether it says when to come back, sensibly or not: then the request was not worked on."""
    return "retry-after-ms" in headers or "retry-after" in headers


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (RFC 9110 10.2.3); None when absent or senseless.

    Zero and times that are past count as senseless: to come back at once is what brought the refusal.
    """
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = _delay(headers.get("retry-after", ""), now)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if seconds > 0 else None


def excerpt(body: bytes) -> str:
    """The beginning of a body, for people."""
    return clean(body[: EXCERPT_CHARACTERS * 4].decode("utf-8", "replace")) or "an empty body"


def clean(text: str) -> str:
    """Short, and without NUL, which PostgreSQL cannot store, and half an emoji, which nothing can."""
    return text.replace("\0", "")[:EXCERPT_CHARACTERS].encode(errors="replace").decode()


def _words(value: Any) -> str:
    """What should be a text, and may be any JSON."""
    try:
        return clean(str(value))
    except RecursionError:
        return "the provider gave a reason that is nested too deep to be read"


def _parsed(body: bytes) -> Any:
    try:
        return loads_rounded(body.removeprefix(BOM_UTF8))
    except ValueError:
        return None


def _delay(value: str, now: datetime) -> float:
    if value.replace(".", "", 1).lstrip("-").isdigit():
        return float(value)
    return (parsedate_to_datetime(value) - now).total_seconds()
