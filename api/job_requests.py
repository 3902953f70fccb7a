"""What `POST /v1/jobs` takes: a request or a list of them, each a batch line or a bare chat body."""

from collections.abc import Iterator
from typing import Any

from headrace.bodies import ENDPOINTS, Fault, KnowsModel
from headrace.errors import InvalidRequest
from headrace.lines import check_request, duplicate
from headrace.store.jobs import NewJob
from headrace.tags import TagSets

MAX_REQUESTS = 1000
CHAT = "/v1/chat/completions"
OPTIONAL = {"method": "POST", "custom_id": "unnamed"}


def read_requests(document: Any, knows_model: KnowsModel, tags: TagSets) -> list[NewJob]:
    """The jobs that a body asks for. Raises InvalidRequest, which names every faulty one."""
    if not isinstance(document, list):
        return _all_good([("", _read(document, 1, knows_model, tags))])
    return _all_good(
        [(f"[{index}]", job) for index, job in enumerate(read_each(document, knows_model, tags))]
    )


def read_each(document: list[Any], knows_model: KnowsModel, tags: TagSets) -> list[NewJob | Fault]:
    """A job or a fault for each request of a list. Raises InvalidRequest if there are none, or too many."""
    if not 1 <= len(document) <= MAX_REQUESTS:
        raise InvalidRequest(f"Send 1 to {MAX_REQUESTS} requests at once, and not {len(document)}.")
    read = [_read(request, line, knows_model, tags) for line, request in enumerate(document, 1)]
    return list(_told_apart(read))


def _told_apart(read: list[NewJob | Fault]) -> Iterator[NewJob | Fault]:
    """A custom_id belongs to the first job that has it."""
    seen: set[str] = set()
    for job in read:
        if isinstance(job, Fault) or job.custom_id is None:
            yield job
        elif job.custom_id in seen:
            yield duplicate(job.custom_id)
        else:
            seen.add(job.custom_id)
            yield job


def _read(request: Any, line: int, knows_model: KnowsModel, tags: TagSets) -> NewJob | Fault:
    if not isinstance(request, dict):
        return Fault("invalid_type", "A request must be a JSON object.")
    bare: bool = "messages" in request and "body" not in request
    given: dict[str, Any] = {"url": CHAT, "body": request} if bare else request
    read = check_request({**OPTIONAL, **_without_nulls(given)}, line, ENDPOINTS, knows_model, tags)
    if isinstance(read, Fault):
        return _unwrapped(read) if bare else read
    return read._replace(custom_id=given.get("custom_id"))


def _without_nulls(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if value is not None}


def _unwrapped(fault: Fault) -> Fault:
    """A bare body has no `body` around it."""
    param = fault.param.removeprefix("body.") if fault.param else None
    return Fault(fault.code, fault.message.replace("'body.", "'"), param)


def _all_good(read: list[tuple[str, NewJob | Fault]]) -> list[NewJob]:
    faults = [(place, fault) for place, fault in read if isinstance(fault, Fault)]
    if not faults:
        return [job for _, job in read if isinstance(job, NewJob)]
    place, first = faults[0]
    raise InvalidRequest(
        " ".join(f"{place}: {fault.message}" if place else fault.message for place, fault in faults),
        param=".".join(filter(None, (place, first.param))) or None,
        code=first.code,
    )
