"""The provider's own account of the calls that it received, and ours, side by side (I3 to I5)."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from headrace.db import Database
from headrace.models import Attempt, Job
from headrace.simulator import SimulatorProcess
from headrace.simulator.faults import SOUND
from headrace.states import Outcome
from tests.simulated import eventually

TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "total_tokens")
ALL_TOKENS = (*TOKENS, "cache_write_tokens", "prompt_audio_tokens", "completion_audio_tokens")


@dataclass(frozen=True)
class Call:
    """One request received and what became of it. `at` is Unix time; `status` None: nothing was answered.

    `usage` is what was billed, None if nothing was; `tokens` what its answer would state, for the limits.
    `cost_nanos` is 0 if nothing was billed, and None for a model without a price.
    """

    attempt: str
    model: str
    at: float
    status: int | None
    fault: str | None
    usage: dict[str, int] | None
    tokens: int
    cost_nanos: int | None = None

    @property
    def was_answered(self) -> bool:
        """Whether the client was sent a whole answer with a completion in it."""
        return self.status == 200 and (self.fault is None or self.fault in SOUND)


class Witness:
    """A running simulator and its log."""

    def __init__(self, simulator: SimulatorProcess, log: Path) -> None:
        self.base_url = simulator.base_url
        self._simulator = simulator
        self._log = log

    def calls(self, model: str | None = None) -> list[Call]:
        """The calls in the order of their arrival, once none is under way and all are logged."""
        (entries,) = eventually(self._whole_log, 20)
        received = [entry for entry in entries if entry["event"] == "received"]
        ended = {entry["seq"]: entry for entry in entries if entry["event"] == "ended"}
        calls = [_call(entry, ended[entry["seq"]]) for entry in received]
        return [call for call in calls if model in (None, call.model)]

    def count(self, what: str) -> int:
        """One of the simulator's counters, such as `received` or `in_flight`."""
        counted: int = self._simulator.stats()[what]
        return counted

    def _whole_log(self) -> list[list[dict[str, Any]]]:
        """The entries, which may be none; nothing until there are two for each call."""
        entries = [json.loads(line) for line in self._log.read_bytes().split(b"\n")[:-1]]
        return [entries] if len(entries) == 2 * self.count("received") else []


def tokens_of(usages: Iterable[Any], names: tuple[str, ...] = TOKENS) -> dict[str, int]:
    """The five sums of `usages` (or those named), each a mapping or a row."""
    total = Counter(dict.fromkeys(names, 0))
    for usage in usages:
        read = usage.get if isinstance(usage, dict) else partial(getattr, usage)
        total.update({name: read(name) for name in names})
    return dict(total)


def attempts_of(db: Database, batch_id: str) -> dict[str, Attempt]:
    """Every attempt that was made for a batch, by id."""
    wanted = select(Attempt).join(Job, col(Job.id) == col(Attempt.job_id)).where(Job.batch_id == batch_id)
    with db.read() as session:
        return {attempt.id: attempt for attempt in session.exec(wanted)}


def assert_explained(calls: list[Call], attempts: dict[str, Attempt]) -> None:
    """Every call has a row that was written before it, no row has two, and what they cost is the same."""
    assert unexplained(calls, attempts) == []


def unexplained(calls: Iterable[Call], attempts: Mapping[str, Attempt]) -> list[str]:
    """What is wrong between these calls and the attempts by id: I3 to I5 of each, in words."""
    found, times = [], Counter[str]()
    for call in calls:
        times[call.attempt] += 1
        attempt = attempts.get(call.attempt)
        if attempt is None:
            found.append(f"I3 a call of {call.model} has no attempt: {call.attempt}")
        else:
            found += [f"{what}: {_told(call, attempt)}" for what in _faults(call, attempt)]
    found += [f"I4 called {count} times: {id_}" for id_, count in times.items() if count > 1]
    for id_, attempt in attempts.items():
        if attempt.outcome == Outcome.OPEN:
            found.append(f"I4 the attempt never ended: {id_} of job {attempt.job_id}")
        elif id_ not in times and not _may_lack_its_call(attempt):
            found.append(f"I4 {attempt.outcome} without a call: {id_} of job {attempt.job_id}")
    return found


def _faults(call: Call, attempt: Attempt) -> Iterator[str]:
    if attempt.departed_at.timestamp() > call.at:
        yield "I3 the row is younger than its call"
    if attempt.outcome == Outcome.NOT_SENT:
        yield "I4 not sent, and yet it arrived"
    if attempt.outcome == Outcome.SUCCEEDED and call.status != 200:
        yield "I4 succeeded without an answer"
    if attempt.status_code is not None and attempt.status_code != call.status:
        yield f"I4 the status was {call.status}"
    if attempt.outcome != Outcome.OPEN:
        yield from _false_bill(call, attempt)


def _false_bill(call: Call, attempt: Attempt) -> Iterator[str]:
    """What is known must be equal, what cannot be known must not be above the attempt's bound."""
    known, billed = tokens_of([attempt], ALL_TOKENS), call.usage or tokens_of([], ALL_TOKENS)
    unstated = attempt.outcome == Outcome.AMBIGUOUS or call.fault == "nousage"
    if any(known.values()) or not unstated:
        if known != billed:
            yield f"I5 billed {billed}, booked {known}"
    elif billed["total_tokens"] > attempt.tokens_at_most:
        yield f"I5 billed {billed['total_tokens']} tokens, booked at most {attempt.tokens_at_most}"
    cost = call.cost_nanos or 0
    if attempt.cost_nanos is not None and call.cost_nanos is not None and attempt.cost_nanos != cost:
        yield f"I5 billed {cost} nanos, booked {attempt.cost_nanos}"
    if attempt.cost_nanos is None and cost > (attempt.cost_at_most_nanos or cost):
        yield f"I5 billed {cost} nanos, booked at most {attempt.cost_at_most_nanos}"


def _may_lack_its_call(attempt: Attempt) -> bool:
    """It was not sent, or nobody knows: its worker died first, or the connection was cut on the way."""
    unknown = attempt.outcome == Outcome.AMBIGUOUS and attempt.status_code is None
    return attempt.outcome == Outcome.NOT_SENT or unknown


def _told(call: Call, attempt: Attempt) -> str:
    ended = f"{attempt.outcome}, {attempt.status_code}, {attempt.error_code}"
    return f"{attempt.id} of job {attempt.job_id} ({ended}; the provider: {call.status}, {call.fault})"


def _call(received: dict[str, Any], ended: dict[str, Any]) -> Call:
    return Call(
        attempt=received["client_request_id"],
        model=received["model"],
        at=received["time"],
        status=ended["status"],
        fault=ended["fault"],
        usage=ended["usage"] and {name: ended["usage"][name] for name in ALL_TOKENS},
        tokens=(received["usage"] or {}).get("total_tokens", 0),
        cost_nanos=ended["cost_nanos"],
    )
