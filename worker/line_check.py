"""Whether a line of a batch's input can run: by itself, and beside the lines before it (contract 2.5)."""

from hashlib import blake2b
from typing import Any, NamedTuple

import gevent

from headrace.bodies import Fault, KnowsModel, is_name
from headrace.exact_json import loads_rounded
from headrace.lines import duplicate, parse_line
from headrace.store.jobs import NewJob
from worker.input_lines import Line

DIGEST_BYTES = 16
THREAD_BYTES = 1 << 20  # a line of so many takes a second or more: heartbeats go on beside a thread


class LineRules(NamedTuple):
    """What lines must obey besides being well-formed. `strict`: as OpenAI has it, one model an input."""

    endpoint: str
    knows_model: KnowsModel
    max_bytes: int
    strict: bool = False


class Names(NamedTuple):
    """What a line calls itself and its model, as far as these are names."""

    custom_id: str | None = None
    model: str | None = None


class LineCheck:
    """Takes in all lines of an input, from the first one on: what it says follows from them alone.

    A custom_id belongs to the first line that has it, good or bad, and is kept as a digest.
    """

    def __init__(self, rules: LineRules) -> None:
        self._rules = rules
        self._seen: set[bytes] = set()
        self._model: str | None = None

    def next(self, line: Line) -> NewJob | Fault:
        """The next line's job, or why there is none."""
        checked = job_of(line, self._rules)
        names = Names(checked.custom_id, checked.lane) if isinstance(checked, NewJob) else names_of(line)
        self._model = self._model or names.model
        is_first = self._is_first(names.custom_id)
        if isinstance(checked, Fault):
            return checked
        if not is_first:
            return duplicate(names.custom_id or "")
        if self._rules.strict and checked.lane != self._model:
            message = f"The model must be '{self._model}', as in the lines before: an input is for one model."
            return Fault("mismatched_model", message, "body.model")
        return checked

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
        message = f"This line is longer than {rules.max_bytes} bytes, the most that it may have."
        return Fault("invalid_request", message)
    asked = (line.raw, line.number, rules.endpoint, rules.knows_model)
    if len(line.raw) < THREAD_BYTES:
        return parse_line(*asked)
    checked: NewJob | Fault = gevent.get_hub().threadpool.apply(parse_line, asked)
    return checked


def names_of(line: Line) -> Names:
    """What is known of a line that need not be any good."""
    if line.too_long:
        return Names()
    try:
        request = loads_rounded(line.raw)
    except ValueError:
        return Names()
    if not isinstance(request, dict):
        return Names()
    body = request.get("body")
    return Names(
        _name(request.get("custom_id")), _name(body.get("model") if isinstance(body, dict) else None)
    )


def _name(value: Any) -> str | None:
    return value if is_name(value) else None
