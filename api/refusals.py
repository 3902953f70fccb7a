"""Which failures a route can answer with: said where they are raised, told in the OpenAPI document."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fastapi.dependencies.models import Dependant

Call = TypeVar("Call", bound=Callable[..., Any])

WHEN = {
    400: "The request is malformed, or asks for something that cannot be: the message says what.",
    401: "No API key, or one that is not known here.",
    404: "The API key has no such object.",
    408: "The rest of the body did not come.",
    409: "What the object's state does not allow. The same request will fail again.",
    413: "The body, or the file in it, is too large.",
    415: "The body is not of the media type that this takes.",
    416: "The file has no such bytes.",
    500: "headrace failed. Its log has the reason, under the request's id.",
    503: "A part of headrace does not answer now, or has no room. The same request is fine later.",
}

_of_calls: dict[Callable[..., Any], tuple[int, ...]] = {}


def refuses(*statuses: int) -> Callable[[Call], Call]:
    """Decorates a handler, or what it depends on: it may fail with these statuses of `WHEN`."""

    def note(call: Call) -> Call:
        _of_calls[call] = statuses
        return call

    return note


def statuses_of(dependant: Dependant) -> set[int]:
    """The statuses of a handler and of all that it depends on; and those that any may answer with."""
    found = {500}
    for each in _with_dependencies(dependant):
        found.update(_of_calls.get(each.call, ()) if each.call else ())
        if each.path_params:
            found.add(404)
        if each.query_params or each.header_params:
            found.add(400)
    return found


def _with_dependencies(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _with_dependencies(each)
