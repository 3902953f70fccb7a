"""What the calls of a job cost together: exactly, at most, or nobody knows."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import and_, case, func, or_, select
from sqlmodel import Session

from headrace.models import Attempt
from headrace.states import Outcome
from headrace.store.postings import MAY_BE_PAID, TOKENS
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

_UNUSED = and_(*(attempts.c[name] == 0 for name in TOKENS))
_IN_DOUBT = and_(attempts.c.outcome.in_(sorted(MAY_BE_PAID)), _UNUSED)
_UNKNOWN = or_(_IN_DOUBT, and_(~_UNUSED, attempts.c.cost_nanos.is_(None)))
_IS_BOUND = and_(_UNKNOWN, attempts.c.cost_at_most_nanos.is_not(None))
_UNPRICED = and_(_UNKNOWN, attempts.c.cost_at_most_nanos.is_(None))
_SUMS = (
    func.coalesce(func.sum(attempts.c.cost_nanos), 0),
    func.sum(case((_IN_DOUBT, 1), else_=0)),
    func.sum(case((_IN_DOUBT, attempts.c.tokens_at_most), else_=0)),
    func.sum(case((_IS_BOUND, attempts.c.cost_at_most_nanos), else_=0)),
    func.sum(case((_UNPRICED, 1), else_=0)),
)


def basis_of(attempt: Attempt) -> Basis:
    """What is known of an attempt's cost: nothing is yet of an open one."""
    if attempt.outcome == Outcome.OPEN:
        return "open"
    if attempt.cost_nanos is not None:
        return "exact"
    return "unknown" if attempt.cost_at_most_nanos is None else "at_most"


def bills_of(session: Session, job_ids: Sequence[int]) -> dict[int, Bill]:
    """Those of these jobs; jobs that were never called are left out."""
    found = select(attempts.c.job_id, *_SUMS).where(attempts.c.job_id.in_(job_ids))
    return {
        job_id: Bill(*map(int, sums)) for job_id, *sums in session.execute(found.group_by(attempts.c.job_id))
    }
