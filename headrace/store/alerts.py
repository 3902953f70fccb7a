"""Alerts: a budget reached a half, four fifths, or all of its limit. Each is written once for each limit."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_
from sqlmodel import Session

from headrace.clock import now
from headrace.money import shown
from headrace.store.inserting import dialect_of, insert_into
from headrace.store.postings import Posting
from headrace.store.tables import batches, budget_alerts, budgets

log = logging.getLogger(__name__)

PERCENTS = (50, 80, 100)


class Moved(NamedTuple):
    """A budget, as `budget_alerts` names it, of which more was spent."""

    account: str
    api_key_id: str
    limit: int
    before: int
    after: int


class KeyMoved(NamedTuple):
    """The same of a key's budget, whose limit is not known yet."""

    api_key_id: str
    period: str
    begins: int
    before: int
    after: int


def raise_for(
    session: Session, keys: Sequence[KeyMoved], spent: Mapping[str, Posting], budgeted: Collection[str]
) -> None:
    """Write the alerts that are due now that `keys`, and the `budgeted` of the batches, spent more."""
    moved = [*_of_keys(session, keys), *_of_batches(session, spent, budgeted)]
    for one in moved:
        for percent in PERCENTS:
            if one.before * 100 < one.limit * percent <= one.after * 100:
                _write(session, one, percent)


def used_up(session: Session, account: str, api_key_id: str, limit: int, spent: int) -> None:
    """The alert that no more calls may be made, whether or not the last cent is spent."""
    _write(session, Moved(account, api_key_id, limit, spent, spent), PERCENTS[-1])


def account_of(api_key_id: str, period: str, begins: int) -> str:
    """How a key's budget is named."""
    return f"{api_key_id}:{period}:{begins}"


def _of_keys(session: Session, keys: Sequence[KeyMoved]) -> list[Moved]:
    if not keys:
        return []
    here = tuple_(budgets.c.api_key_id, budgets.c.period).in_({(one.api_key_id, one.period) for one in keys})
    limits = {
        (row.api_key_id, row.period): row.limit_nanos for row in session.execute(select(budgets).where(here))
    }
    return [
        Moved(account_of(*one[:3]), one.api_key_id, limits[one[:2]], one.before, one.after)
        for one in keys
        if one[:2] in limits
    ]


def _of_batches(session: Session, spent: Mapping[str, Posting], budgeted: Collection[str]) -> list[Moved]:
    if not budgeted:
        return []
    after = (batches.c.cost_nanos + batches.c.doubtful_nanos).label("after")
    wanted = select(batches.c.id, batches.c.api_key_id, batches.c.budget_nanos, after)
    wanted = wanted.where(batches.c.id.in_(sorted(budgeted)), batches.c.budget_nanos.is_not(None))
    return [
        Moved(row.id, row.api_key_id, row.budget_nanos, row.after - spent[row.id].spent_nanos, row.after)
        for row in session.execute(wanted)
        if row.id in spent
    ]


def _write(session: Session, one: Moved, percent: int) -> None:
    row: dict[str, Any] = {
        "account": one.account,
        "limit_nanos": one.limit,
        "percent": percent,
        "api_key_id": one.api_key_id,
        "spent_nanos": one.after,
        "reached_at": now(),
    }
    written = insert_into(budget_alerts, dialect_of(session)).values(row).on_conflict_do_nothing()
    written = written.returning(budget_alerts.c.percent)
    if session.execute(written).first() is not None:
        log.warning(
            "%s reached %d %% of its budget: %s of %s",
            one.account,
            percent,
            shown(one.after),
            shown(one.limit),
        )
