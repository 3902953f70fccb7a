"""Every failure as the OpenAI error envelope (contract 4.8)."""

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import ClientDisconnect

from headrace.errors import Conflict, InvalidRequest, RequestError, Unauthorized, Unavailable

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
MAKE_ROOM_SECONDS = 60
CLIENT_CLOSED_REQUEST = 499
NO_RETRY = {"x-should-retry": "false"}
# pydantic's type of an error -> OpenAI's code; what ends in `_type` or `_parsing` is `invalid_type`
CODES = {
    "missing": "missing_required_parameter",
    "string_too_long": "string_above_max_length",
    "string_too_short": "string_below_min_length",
    "too_long": "object_above_max_properties",
    "greater_than_equal": "integer_below_min_value",
    "less_than_equal": "integer_above_max_value",
}


class UnsupportedMediaType(RequestError):
    """The body is of a type that the route does not read."""

    status = 415


class ClientSilent(RequestError):
    """The rest of the body did not come."""

    status = 408


class Busy(RequestError):
    """More large bodies came at once than can be read. The same request is fine later."""

    status = 503

    def __init__(self) -> None:
        super().__init__("Too many large bodies came at once. Try again in a few seconds.")


class NoRoom(RequestError):
    """The disk is too full to take in a file. The same request is fine when somebody made room."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "There is no room on the disk of headrace for this file now. Its operator must make some."
        )


# What a database says that is not there.
AWAY = (OperationalError, InterfaceError, PoolTimeout)
HEADERS: dict[type[RequestError], dict[str, str]] = {
    Busy: {"retry-after": str(RETRY_AFTER_SECONDS)},
    Conflict: NO_RETRY,  # the SDK would send every 409 three times (contract 5.5)
    NoRoom: {"retry-after": str(MAKE_ROOM_SECONDS)},
    Unauthorized: {"www-authenticate": "Bearer"},
}


class Problem(BaseModel):
    """What went wrong; `param` is the parameter at fault, and `code` a fixed word for programs, if any."""

    message: str
    type: str
    param: str | None
    code: str | None


class Envelope(BaseModel):
    """What the body of every failure is."""

    error: Problem


def invalid(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """The refusal for what pydantic found, in the name of the first fault."""
    first = errors[0]
    param = ".".join(str(step) for step in first["loc"] if step != "[key]") or None
    if first["type"] == "missing":
        message = f"Missing required parameter: '{param}'."
    else:
        message = f"Invalid '{param or 'body'}': {first['msg']}."
    return InvalidRequest(message, param=param, code=_code(first["type"]))


def envelope(
    status: int,
    message: str,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a failure."""
    error = Problem(message=message, type=_type(status), param=param, code=code)
    return JSONResponse(Envelope(error=error).model_dump(), status, headers)


async def _refused(_request: Request, error: RequestError) -> Response:
    return envelope(error.status, error.message, error.param, error.code, HEADERS.get(type(error)))


async def _invalid_parameters(request: Request, error: RequestValidationError) -> Response:
    errors = [{**fault, "loc": fault["loc"][1:]} for fault in error.errors()]  # "query", "path" go
    return await _refused(request, invalid(errors))


def unavailable() -> Response:
    """The answer to what will be fine in a moment."""
    message = "A part of headrace does not answer now. Try again in a few seconds."
    return envelope(503, message, headers={"retry-after": str(RETRY_AFTER_SECONDS)})


def away(error: Exception) -> Response:
    """The same, with the reason in our log."""
    log.error("answered 503: %s", getattr(error, "orig", error))
    return unavailable()


async def _unavailable(_request: Request, error: Exception) -> Response:
    return away(error)


async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)  # nobody reads it; the access log shows it


def failure() -> Response:
    """The answer when the fault is ours."""
    return envelope(500, "headrace failed at this request. Its log has the reason, under x-request-id.")


async def _failed(_request: Request, _error: Exception) -> Response:
    return failure()


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    RequestError: _refused,
    RequestValidationError: _invalid_parameters,
    **dict.fromkeys((Unavailable, *AWAY), _unavailable),
    ClientDisconnect: _gone,
    Exception: _failed,
}


def _type(status: int) -> str:
    if status == 503:
        return "service_unavailable_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _code(kind: str) -> str:
    if kind.endswith(("_type", "_parsing")):
        return "invalid_type"
    return CODES.get(kind, "invalid_value")
