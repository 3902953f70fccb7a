"""Whether a line of a batch's input can run: by itself, and beside the lines before it (contract 2.5)."""

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple, ParamSpec, TypeVar

import gevent

from headrace.bodies import Fault, KnowsModel
from headrace.lines import Refused, Request, check_line, duplicate, parse_line
from headrace.store.jobs import NewJob
from headrace.tags import TagSets
from worker.input_lines import Line

DIGEST_BYTES = 16
THREAD_BYTES = 1 << 20  # a line of so many takes a tenth of a second: heartbeats go on beside a thread

Given = ParamSpec("Given")
Made = TypeVar("Made")


class LineRules(NamedTuple):
    """What lines must obey besides being well-formed. `strict`: as OpenAI has it, one model an input."""

    endpoint: str
    knows_model: KnowsModel
    max_bytes: int
    tags: TagSets
    strict: bool = False


class LineCheck:
    """Takes in all lines of an input, from the first one on: what it says follows from them alone.

    A custom_id belongs to the first line that has it, good or bad, and is kept as a digest.
    """

    def __init__(self, rules: LineRules) -> None:
        self._rules = rules
        self._seen: set[bytes] = set()
        self._model: str | None = None

    def next(self, line: Line) -> Request | Refused:
        """What the next line asks for, or why it cannot run."""
        checked = self._alone(line)
        self._model = self._model or checked.model
        is_first = self._is_first(checked.custom_id)
        if isinstance(checked, Refused):
            return checked
        if not is_first:
            return Refused(duplicate(checked.custom_id or ""), checked.custom_id, checked.model)
        if self._rules.strict and checked.model != self._model:
            message = f"The model must be '{self._model}', as in the lines before: an input is for one model."
            fault = Fault("mismatched_model", message, "body.model")
            return Refused(fault, checked.custom_id, checked.model)
        return checked

    def _alone(self, line: Line) -> Request | Refused:
        if line.too_long:
            return Refused(_too_long(self._rules))
        return _beside(line, check_line, line.raw, self._rules.endpoint, self._rules.knows_model)

    def _is_first(self, custom_id: str | None) -> bool:
        if custom_id is None:
            return True
        digest = blake2b(custom_id.encode(), digest_size=DIGEST_BYTES).digest()
        known = len(self._seen)
        self._seen.add(digest)
        return len(self._seen) > known


def job_of(line: Line, rules: LineRules) -> NewJob | Fault:
    """The job of a line that has no other beside it, or why there is none."""
    if line.too_long:
        return _too_long(rules)
    given = (line.raw, line.number, rules.endpoint, rules.knows_model, rules.tags)
    return _beside(line, parse_line, *given)


def job_for(line: Line, request: Request, rules: LineRules) -> NewJob:
    """The job of a line that was checked."""
    return _beside(line, request.job, line.number, rules.tags)


def _beside(line: Line, work: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made:
    """Do some work on a line; in a thread, if it can take long."""
    if len(line.raw) < THREAD_BYTES:
        return work(*given, **named)
    made: Made = gevent.get_hub().threadpool.apply(work, given, named)
    return made


def _too_long(rules: LineRules) -> Fault:
    message = f"This line is longer than {rules.max_bytes} bytes, the most that it may have."
    return Fault("invalid_request", message)
