"""What a soak's jobs must have come to, and a reason for every call beyond one a job.

All its faults are such that trying again helps, and there are attempts enough.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import select

from headrace.db import Database
from headrace.models import Attempt
from headrace.states import JobState, Outcome
from headrace.store import tables
from headrace.store.finishing import WORKER_LOST
from tests.soak.processes import Struck
from tests.witness import Call

CLOCK_SECONDS = 0.5  # rows go by the database's clock, as far as a busy process knows it

Span = tuple[float, float]


@dataclass(frozen=True)
class Reasons:
    """What may have ended calls: workers killed, or stopped for `lease_seconds` or longer; a bad network."""

    struck: Sequence[Struck]
    lease_seconds: float
    network: Sequence[Span]

    @property
    def lethal(self) -> list[Struck]:
        """After which a worker may be given up for dead; its last beat may have been a while before."""
        least = 0.7 * self.lease_seconds
        return [one for one in self.struck if one.was_killed or one.seconds >= least]

    def excuse(self, attempt: Attempt) -> bool:
        """Whether a whole answer may have missed this attempt: the network, or its own worker stood still."""
        assert attempt.landed_at
        begin, end = (
            attempt.departed_at.timestamp() - CLOCK_SECONDS,
            attempt.landed_at.timestamp() + CLOCK_SECONDS,
        )
        own = [(one.since, one.until or end) for one in self.struck if one.worker_id == attempt.worker_id]
        return any(since <= end and begin <= until for since, until in (*own, *self.network))


def unexplained_ends(db: Database, calls: Sequence[Call], reasons: Reasons) -> Iterator[str]:
    """Jobs that failed or expired, and calls beyond the first of a job that no fault explains (I4)."""
    columns = tables.jobs.c
    with db.read() as session:
        jobs = session.execute(select(columns.id, columns.batch_id, columns.state, columns.error_code)).all()
        attempts = {one.id: one for one in session.exec(select(Attempt))}
    for job in jobs:
        if job.state in (JobState.FAILED, JobState.EXPIRED) or job.error_code == "internal_error":
            yield f"I1 {job.state}, {job.error_code}: job {job.id} of {job.batch_id}"
    for attempt in attempts.values():
        if attempt.error_code == "internal_error":
            yield f"I4 {attempt.error_message}: {attempt.id} of job {attempt.job_id}"
    yield from _lost_by_living_workers(attempts, reasons)
    yield from _ambiguous_without_reason(attempts, calls, reasons)
    extra, most = again(attempts, calls), sum(one.open_calls for one in reasons.lethal)
    if extra > most:
        yield f"I4 {extra} calls again, and {most} were under way when workers were struck"


def again(attempts: Mapping[str, Attempt], calls: Sequence[Call]) -> int:
    """The calls of jobs that had one before, none of which was refused or lost on the network."""
    counted: Counter[int] = Counter()
    for call in calls:
        attempt = attempts.get(call.attempt)
        if attempt and not _is_settled(attempt):
            counted[attempt.job_id] += 1
    return sum(count - 1 for count in counted.values())


def _is_settled(attempt: Attempt) -> bool:
    """Whether an attempt was the reason for the next one, with no worker lost."""
    is_ambiguous = attempt.outcome == Outcome.AMBIGUOUS and attempt.error_code != WORKER_LOST
    return is_ambiguous or attempt.outcome in (Outcome.REFUSED, Outcome.NOT_SENT)


def _lost_by_living_workers(attempts: Mapping[str, Attempt], reasons: Reasons) -> Iterator[str]:
    struck = {one.worker_id for one in reasons.lethal}
    for one in attempts.values():
        if one.error_code == WORKER_LOST and one.worker_id not in struck:
            yield f"I4 lost by {one.worker_id}, which lived: {one.id} of job {one.job_id}"


def _ambiguous_without_reason(
    attempts: Mapping[str, Attempt], calls: Sequence[Call], reasons: Reasons
) -> Iterator[str]:
    """Calls that were answered in full, on a good network, to a worker that ran."""
    for call in calls:
        one: Any = attempts.get(call.attempt)
        if one is None or one.outcome != Outcome.AMBIGUOUS or one.error_code == WORKER_LOST:
            continue
        if call.status == 200 and call.fault is None and not reasons.excuse(one):
            why = f"{one.error_code}: {one.error_message}"
            yield f"I4 answered in full, and ambiguous ({why}): {one.id} of job {one.job_id}"
