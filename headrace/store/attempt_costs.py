"""What one attempt adds to sums of money, in SQL; `postings.posting` says the same in Python."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_

from headrace.store.postings import MAY_BE_PAID, TOKENS
from headrace.store.tables import attempts

_cost, _at_most = attempts.c.cost_nanos, attempts.c.cost_at_most_nanos

UNUSED = and_(*(attempts.c[name] == 0 for name in TOKENS))
_IN_DOUBT = and_(attempts.c.outcome.in_(sorted(MAY_BE_PAID)), UNUSED)
_UNKNOWN = or_(_IN_DOUBT, and_(~UNUSED, _cost.is_(None)))

COSTS: dict[str, ColumnElement[Any]] = {
    "cost_nanos": func.coalesce(_cost, 0),
    "doubtful_calls": case((_IN_DOUBT, 1), else_=0),
    "doubtful_tokens": case((_IN_DOUBT, attempts.c.tokens_at_most), else_=0),
    "doubtful_nanos": case((_UNKNOWN, func.coalesce(_at_most, 0)), else_=0),
    "unpriced_calls": case((and_(_UNKNOWN, _at_most.is_(None)), 1), else_=0),
}
"""By the names of the sums."""
