"""Calls of which nobody knows what they cost: booked with their batch at the most that it can be."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlmodel import Session

from headrace.states import JobState, Outcome
from headrace.store.among import among
from headrace.store.finishing import WORKER_LOST
from headrace.store.sweeping import MAX_CRASHES
from headrace.store.tables import attempts
from headrace.usage import NO_USAGE, Usage

_UNWRITTEN = select(attempts.c.id, attempts.c.number, attempts.c.outcome, attempts.c.tokens_at_most).where(
    among(attempts.c.id, "attempt_ids"),
    or_(attempts.c.outcome == Outcome.OPEN, attempts.c.error_code == WORKER_LOST),
)


class Doubt(NamedTuple):
    """Calls of unknown cost, and the tokens that they can have used at most. Taken back, it is negative."""

    calls: int = 0
    tokens: int = 0

    def plus(self, other: "Doubt") -> "Doubt":
        """Both together."""
        return Doubt(self.calls + other.calls, self.tokens + other.tokens)

    def times(self, factor: int) -> "Doubt":
        """The same so many times over."""
        return Doubt(self.calls * factor, self.tokens * factor)


NO_DOUBT = Doubt()


def is_in_doubt(outcome: Outcome, usage: Usage) -> bool:
    """Whether an attempt that ended so may have been paid for, nobody knows with how much."""
    return outcome == Outcome.AMBIGUOUS and usage == NO_USAGE


def unwritten(session: Session, attempt_ids: Sequence[str]) -> dict[str, Any]:
    """Those attempts that are open, or were closed by a rescue only, by id: the others have landed."""
    return {row.id: row for row in session.execute(_UNWRITTEN, {"attempt_ids": attempt_ids})}


def shift(attempt: Any, outcome: Outcome, usage: Usage) -> Doubt:
    """What the end of an attempt that was `unwritten` changes in its batch's doubts."""
    was = attempt.outcome == Outcome.AMBIGUOUS  # by a rescue, that is without usage
    return Doubt(1, attempt.tokens_at_most).times(int(is_in_doubt(outcome, usage)) - int(was))


def was_held_for(attempt: Any, job: Any) -> bool:
    """Whether nothing but this `unwritten` attempt holds its (locked) job, for its worker seemed dead."""
    is_last = attempt.outcome == Outcome.AMBIGUOUS and attempt.number == job.calls
    return bool(is_last and job.state == JobState.HELD and job.hold_ambiguous and job.crashes < MAX_CRASHES)


def doubts_of(session: Session, job_ids: Sequence[int]) -> dict[int, Doubt]:
    """The calls of unknown cost of these jobs; jobs that have none are left out."""
    in_doubt = (attempts.c.outcome == Outcome.AMBIGUOUS, attempts.c.total_tokens == 0)
    summed = select(attempts.c.job_id, func.count().label("calls"), func.sum(attempts.c.tokens_at_most))
    found = summed.where(attempts.c.job_id.in_(job_ids), *in_doubt).group_by(attempts.c.job_id)
    return {job_id: Doubt(calls, int(tokens)) for job_id, calls, tokens in session.execute(found)}
