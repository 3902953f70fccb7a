"""Request bodies: read as they come; and JSON ones counted, parsed strictly, and fitted to a model."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from api.deps import SettingsDep
from api.problems import ClientSilent, UnsupportedMediaType, invalid
from api.refusals import refuses
from headrace.bodies import MAX_DEPTH, deeper_than
from headrace.errors import InvalidRequest, TooLarge
from headrace.exact_json import has_half_characters, loads

Model = TypeVar("Model", bound=BaseModel)

SILENCE_SECONDS = 60.0
SLOWEST_BYTES_PER_SECOND = 1000
LEVELS = MAX_DEPTH + 2  # a list, a request, and in it a body that may be MAX_DEPTH deep
SHOWN_CHARACTERS = 64


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


@refuses(400, 408, 413, 415)
async def _raw_body(request: Request, settings: SettingsDep) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType(f"The body must be application/json, and not '{kind}'.")
    too_large = TooLarge(f"The body is larger than {settings.max_body_bytes} bytes.")
    if announced_bytes(request) > settings.max_body_bytes:
        raise too_large
    body = bytearray()
    async for chunk in chunks(request):
        body += chunk
        if len(body) > settings.max_body_bytes:
            raise too_large
    return bytes(body)


def _exact_json_body(raw: Annotated[bytes, Depends(_raw_body)]) -> Any:
    if not raw.strip():
        raise InvalidRequest("The body is empty: send JSON.")
    try:
        document = loads(raw)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from error
    if deeper_than(document, LEVELS):
        raise InvalidRequest(f"The body is nested more than {LEVELS} levels deep.", code="invalid_value")
    _refuse_repeated_names(raw)
    return document


def _refuse_repeated_names(raw: bytes) -> None:
    """Readers of JSON differ in which of two values they take: what we check must be what is run."""
    json.loads(raw, object_pairs_hook=_checked, parse_int=str, parse_float=str)


def _checked(pairs: list[tuple[str, Any]]) -> None:
    """One object. Its values were checked before it."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            shown = name[:SHOWN_CHARACTERS].encode(errors="backslashreplace").decode()
            raise InvalidRequest(
                f"The name '{shown}' is twice in one object.", param=shown, code="duplicate_name"
            )
        seen.add(name)


ExactJsonBody = Annotated[Any, Depends(_exact_json_body)]
"""Any JSON: its numbers keep their text, and half of a surrogate pair may stand in its texts."""


def _json_body(document: ExactJsonBody) -> Any:
    if has_half_characters(json.dumps(document, ensure_ascii=False)):
        raise InvalidRequest(
            "A text has half of a surrogate pair in it, such as \\ud83d alone.", code="invalid_value"
        )
    return document


def _optional_json_body(raw: Annotated[bytes, Depends(_raw_body)]) -> Any:
    return _json_body(_exact_json_body(raw)) if raw.strip() else {}


JsonBody = Annotated[Any, Depends(_json_body)]
"""JSON whose texts can be stored and shown."""
OptionalJsonBody = Annotated[Any, Depends(_optional_json_body)]
