"""Request bodies: read as they come; and JSON ones counted, parsed strictly, and fitted to a model."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError

from api.deps import SettingsDep
from api.problems import Busy, ClientSilent, UnsupportedMediaType, invalid
from api.refusals import refuses
from headrace.bodies import MAX_DEPTH, deeper_than
from headrace.errors import InvalidRequest, TooLarge
from headrace.exact_json import has_half_characters, loads
from headrace.settings import MEBIBYTE, Settings

Model = TypeVar("Model", bound=BaseModel)

SILENCE_SECONDS = 60.0
SLOWEST_BYTES_PER_SECOND = 1000
LEVELS = MAX_DEPTH + 2  # a list, a request, and in it a body that may be MAX_DEPTH deep
SHOWN_CHARACTERS = 64
OF_REQUESTS = ("/v1/jobs", "/v1/estimate")  # whose bodies have those of requests in them
SMALL_BYTES = MEBIBYTE  # enough for any other route
PARSING = CapacityLimiter(2)  # of larger ones: each takes seconds of the interpreter, and its size many times
PATIENCE_SECONDS = 30.0


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """The body, piece by piece.

    Raises ClientSilent when no next piece comes for a minute, or when the body comes more than a minute later
    than at 1,000 bytes a second: nobody may hold a place for ever by a byte now and then.
    """
    stream = aiter(request.stream())
    began, received = time.monotonic(), 0
    while True:
        late = began + SILENCE_SECONDS + received / SLOWEST_BYTES_PER_SECOND - time.monotonic()
        try:
            async with asyncio.timeout(min(SILENCE_SECONDS, late)):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise ClientSilent("The body is not whole, and came too slowly to wait for the rest.") from error
        if chunk is None:
            return
        received += len(chunk)
        yield chunk


def announced_bytes(request: Request) -> int:
    """The length of the body, as far as the client tells it: it may lie, or say nothing."""
    length = request.headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdecimal() else 0


def fitted(model: type[Model], document: Any) -> Model:
    """The document as the model. Raises InvalidRequest in the name of the first fault."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid(error.errors()) from error


def _most_bytes(request: Request, settings: Settings) -> int:
    most = settings.max_body_bytes
    return most if request.url.path in OF_REQUESTS else min(most, SMALL_BYTES)


@refuses(400, 408, 413, 415)
async def _raw_body(request: Request, settings: SettingsDep) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType(f"The body must be application/json, and not '{kind}'.")
    most = _most_bytes(request, settings)
    too_large = TooLarge(f"The body is larger than {most} bytes.")
    if announced_bytes(request) > most:
        raise too_large
    body = bytearray()
    async for chunk in chunks(request):
        body += chunk
        if len(body) > most:
            raise too_large
    return bytes(body)


@refuses(503)
async def _exact_json_body(raw: Annotated[bytes, Depends(_raw_body)]) -> Any:
    if len(raw) <= SMALL_BYTES:
        return await run_in_threadpool(_parsed, raw)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await PARSING.acquire()
    except TimeoutError as error:
        raise Busy from error
    try:
        return await run_in_threadpool(_parsed, raw)
    finally:
        PARSING.release()


def _parsed(raw: bytes) -> Any:
    """The document of a body. Raises InvalidRequest."""
    if not raw.strip():
        raise InvalidRequest("The body is empty: send JSON.")
    try:
        document = loads(raw, make_object=_object)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from error
    if deeper_than(document, LEVELS):
        raise InvalidRequest(f"The body is nested more than {LEVELS} levels deep.", code="invalid_value")
    return document


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers of JSON differ in which of two values they take: what we check must be what is run."""
    made = dict(members)
    if len(made) < len(members):
        raise _twice(next(name for name, times in Counter(name for name, _ in members).items() if times > 1))
    return made


def _twice(name: str) -> InvalidRequest:
    shown = name[:SHOWN_CHARACTERS].encode(errors="backslashreplace").decode()
    return InvalidRequest(f"The name '{shown}' is twice in one object.", param=shown, code="duplicate_name")


ExactJsonBody = Annotated[Any, Depends(_exact_json_body)]
"""Any JSON: its numbers keep their text, and half of a surrogate pair may stand in its texts."""


def _json_body(document: ExactJsonBody) -> Any:
    if has_half_characters(json.dumps(document, ensure_ascii=False)):
        raise InvalidRequest(
            "A text has half of a surrogate pair in it, such as \\ud83d alone.", code="invalid_value"
        )
    return document


def _optional_json_body(raw: Annotated[bytes, Depends(_raw_body)]) -> Any:
    return _json_body(_parsed(raw)) if raw.strip() else {}


JsonBody = Annotated[Any, Depends(_json_body)]
"""JSON whose texts can be stored and shown."""
OptionalJsonBody = Annotated[Any, Depends(_optional_json_body)]
