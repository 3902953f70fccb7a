"""The provider's own account of the calls that it received, and ours, side by side."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from headrace.db import Database
from headrace.models import Attempt, Job
from headrace.simulator import SimulatorProcess
from headrace.states import Outcome
from tests.simulated import eventually

TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "total_tokens")


@dataclass(frozen=True)
class Call:
    """One request received and what became of it. `at` is Unix time; `status` None: nothing was answered."""

    attempt: str
    model: str
    at: float
    status: int | None
    fault: str | None
    usage: dict[str, int] | None

    @property
    def was_answered(self) -> bool:
        """Whether the client got a whole answer with a completion in it."""
        return self.status == 200 and self.fault is None


class Witness:
    """A running simulator and its log."""

    def __init__(self, simulator: SimulatorProcess, log: Path) -> None:
        self.base_url = simulator.base_url
        self._simulator = simulator
        self._log = log

    def calls(self, model: str | None = None) -> list[Call]:
        """The calls in the order of their arrival, once none is under way and all are logged."""
        entries = eventually(self._whole_log, 20)
        received = [entry for entry in entries if entry["event"] == "received"]
        ended = {entry["seq"]: entry for entry in entries if entry["event"] == "ended"}
        calls = [_call(entry, ended[entry["seq"]]) for entry in received]
        return [call for call in calls if model in (None, call.model)]

    def count(self, what: str) -> int:
        """One of the simulator's counters, such as `received` or `in_flight`."""
        counted: int = self._simulator.stats()[what]
        return counted

    def _whole_log(self) -> list[dict[str, Any]]:
        """Empty until it has two entries for each call."""
        entries = [json.loads(line) for line in self._log.read_bytes().split(b"\n")[:-1]]
        return entries if len(entries) == 2 * self.count("received") else []


def tokens_of(usages: Iterable[Any]) -> dict[str, int]:
    """The five sums of `usages`, each a mapping or a row."""
    total = Counter(dict.fromkeys(TOKENS, 0))
    for usage in usages:
        total.update(usage if isinstance(usage, dict) else {name: getattr(usage, name) for name in TOKENS})
    return dict(total)


def attempts_of(db: Database, batch_id: str) -> dict[str, Attempt]:
    """Every attempt that was made for a batch, by id."""
    wanted = select(Attempt).join(Job, col(Job.id) == col(Attempt.job_id)).where(Job.batch_id == batch_id)
    with db.read() as session:
        return {attempt.id: attempt for attempt in session.exec(wanted)}


def assert_explained(calls: list[Call], attempts: dict[str, Attempt]) -> None:
    """Every call has a row that was written before it, no row has two, and what they cost is the same.

    A row without a call is one whose worker died before it called.
    """
    called = Counter(call.attempt for call in calls)
    assert set(called) <= set(attempts)
    assert not called or max(called.values()) == 1
    assert {attempts[id_].error_code for id_ in attempts if id_ not in called} <= {"worker_lost"}
    assert Outcome.OPEN not in {attempt.outcome for attempt in attempts.values()}
    for call in calls:
        attempt = attempts[call.attempt]
        assert attempt.departed_at.timestamp() <= call.at
        if attempt.outcome == Outcome.SUCCEEDED:
            assert call.was_answered
            assert tokens_of([attempt]) == call.usage


def _call(received: dict[str, Any], ended: dict[str, Any]) -> Call:
    return Call(
        attempt=received["client_request_id"],
        model=received["model"],
        at=received["time"],
        status=ended["status"],
        fault=ended["fault"],
        usage=ended["usage"],
    )
