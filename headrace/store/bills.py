"""What the calls of a job cost together: exactly, at most, or nobody knows."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from headrace.models import Attempt
from headrace.states import Outcome
from headrace.store.attempt_costs import COSTS
from headrace.store.tables import attempts


class Bill(NamedTuple):
    """Calls of a job that landed: what is known of their cost, and bounds of what is not."""

    cost_nanos: int = 0
    doubtful_calls: int = 0
    doubtful_tokens: int = 0
    doubtful_nanos: int = 0
    unpriced_calls: int = 0


NO_BILL = Bill()
Basis = Literal["exact", "at_most", "unknown", "open"]


def basis_of(attempt: Attempt) -> Basis:
    """What is known of an attempt's cost: nothing is yet of an open one."""
    if attempt.outcome == Outcome.OPEN:
        return "open"
    if attempt.cost_nanos is not None:
        return "exact"
    return "unknown" if attempt.cost_at_most_nanos is None else "at_most"


def bills_of(session: Session, job_ids: Sequence[int]) -> dict[int, Bill]:
    """Those of these jobs; jobs that were never called are left out."""
    sums = (func.sum(COSTS[name]) for name in Bill._fields)
    found = select(attempts.c.job_id, *sums).where(attempts.c.job_id.in_(job_ids))
    return {
        job_id: Bill(*map(int, sums)) for job_id, *sums in session.execute(found.group_by(attempts.c.job_id))
    }
