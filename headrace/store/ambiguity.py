"""Calls whose end was not written, or only guessed when their worker seemed dead."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session

from headrace.states import JobState, Outcome
from headrace.store.among import among
from headrace.store.finishing import WORKER_LOST
from headrace.store.sweeping import MAX_CRASHES
from headrace.store.tables import attempts

UNWRITTEN = (
    "id",
    "number",
    "outcome",
    "departed_at",
    "tokens_at_most",
    "price_id",
    "cost_at_most_nanos",
)
_UNWRITTEN = select(*(attempts.c[name] for name in UNWRITTEN)).where(
    among(attempts.c.id, "attempt_ids"),
    or_(attempts.c.outcome == Outcome.OPEN, attempts.c.error_code == WORKER_LOST),
)


def unwritten(session: Session, attempt_ids: Sequence[str]) -> dict[str, Any]:
    """Those attempts that are open, or were closed by a rescue only, by id: the others have landed."""
    return {row.id: row for row in session.execute(_UNWRITTEN, {"attempt_ids": attempt_ids})}


def was_held_for(attempt: Any, job: Any) -> bool:
    """Whether nothing but this `unwritten` attempt holds its (locked) job, for its worker seemed dead."""
    is_last = attempt.outcome == Outcome.AMBIGUOUS and attempt.number == job.calls
    return bool(is_last and job.state == JobState.HELD and job.hold_ambiguous and job.crashes < MAX_CRASHES)
