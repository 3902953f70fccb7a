"""What the calls that report on usage and costs take in their URLs."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import Field, StringConstraints, WithJsonSchema

from api.schemas import A_NAME
from headrace.bodies import MAX_NAME_CHARACTERS
from headrace.clock import now
from headrace.errors import InvalidRequest
from headrace.store.postings import HOUR

LATEST = 253_370_764_800  # the year 9999: no calendar goes further
MOST_VALUES = 100
BRACKETS = re.compile(rb"(?<![^&])([^&=]*)(?:\[\]|%5[Bb]%5[Dd])(?==)")

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME_CHARACTERS),
    WithJsonSchema({"type": "string", **A_NAME}),
]
Time = Annotated[int, Field(ge=0, le=LATEST)]


class ReportRoute(APIRoute):
    """Lists come as `name=a&name=b` or, as the SDK sends them, as `name[]=a&name[]=b` (contract 0)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, for which all names are without brackets."""
        handle = super().get_route_handler()

        async def without_brackets(request: Request) -> Response:
            request.scope["query_string"] = BRACKETS.sub(rb"\1", request.scope["query_string"])
            return await handle(Request(request.scope, request.receive))

        return without_brackets


def listed(description: str) -> Any:
    """A parameter that may be repeated."""
    return Field(default_factory=list, description=description, max_length=MOST_VALUES)


def refuse(param: str, message: str) -> InvalidRequest:
    """The refusal of a parameter's value, or of a few together."""
    return InvalidRequest(message, param=param, code="invalid_value")


def this_hour_over() -> int:
    """Unix seconds of the next full hour."""
    return (int(now().timestamp()) // HOUR + 1) * HOUR
