"""Budgets that are used up: their waiting jobs are held, and queued again when there is room."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, literal, or_, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.periods import begins
from headrace.states import BatchStatus, JobState, Period
from headrace.store.accounts import AccountId, BatchAccount, KeyAccount, row_of
from headrace.store.admission import BUDGET_USED_UP
from headrace.store.conditions import HELD, QUEUED
from headrace.store.tables import batches, budgets, jobs, spending

UNFINISHED = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING)
HELD_MESSAGE = (
    "Its budget is used up. It goes on when there is room: when the budget is raised, or its period is over."
)


class Closed(NamedTuple):
    """A budget for which a call had to stay behind, and whether there is room for it now."""

    account: AccountId
    has_room: bool


def closed(session: Session, at: datetime) -> list[Closed]:
    """All of them. A day's or a month's budget has room when the next one has begun."""
    seconds = int(at.timestamp())
    spent = batches.c.cost_nanos + batches.c.doubtful_nanos + batches.c.reserved_nanos
    room = or_(batches.c.budget_nanos.is_(None), batches.c.budget_nanos - spent >= batches.c.wanted_nanos)
    of_batches = select(batches.c.id, room).where(
        batches.c.status.in_(UNFINISHED), batches.c.wanted_nanos.is_not(None)
    )
    found = [Closed(BatchAccount(batch_id), bool(has)) for batch_id, has in session.execute(of_batches)]
    limit = and_(budgets.c.api_key_id == spending.c.api_key_id, budgets.c.period == spending.c.period)
    spent = spending.c.spent_nanos + spending.c.reserved_nanos
    room = or_(budgets.c.limit_nanos.is_(None), budgets.c.limit_nanos - spent >= spending.c.wanted_nanos)
    of_keys = select(spending.c.api_key_id, spending.c.period, spending.c.begins, room)
    of_keys = of_keys.outerjoin(budgets, limit).where(spending.c.wanted_nanos.is_not(None))
    for key_id, period, began, has in session.execute(of_keys):
        is_over = begins(Period(period), seconds) > began
        found.append(Closed(KeyAccount(key_id, Period(period), began), bool(has or is_over)))
    return found


def reopen(session: Session, account: AccountId) -> None:
    """Let departures try again."""
    session.execute(row_of(account).values(wanted_nanos=None))


def hold(session: Session, account: AccountId, limit: int) -> int:
    """Hold up to `limit` queued jobs of a closed budget; returns how many."""
    held = 0
    for chosen in _of(account):
        rows = _some(session, and_(QUEUED, chosen), limit - held)
        changed = update(jobs).where(jobs.c.id.in_([row.id for row in rows]))
        session.execute(
            changed.values(
                state=JobState.HELD, run_at=now(), error_code=BUDGET_USED_UP, error_message=HELD_MESSAGE
            )
        )
        held += len(rows)
    return held


def resume(session: Session, account: AccountId, before: datetime, limit: int) -> list[str]:
    """Queue up to `limit` jobs again that a budget held until `before`; returns the lane of each."""
    lanes: list[str] = []
    for chosen in _of(account):
        ours = and_(HELD, chosen, jobs.c.error_code == BUDGET_USED_UP, jobs.c.run_at <= before)
        rows = _some(session, ours, limit - len(lanes))
        changed = update(jobs).where(jobs.c.id.in_([row.id for row in rows]))
        session.execute(
            changed.values(state=JobState.QUEUED, run_at=now(), error_code=None, error_message=None)
        )
        lanes += [row.lane for row in rows]
    return lanes


def _some(session: Session, chosen: Any, limit: int) -> Sequence[Any]:
    found = select(jobs.c.id, jobs.c.lane).where(chosen).limit(limit)
    return session.execute(found.with_for_update(skip_locked=True)).all()


def _of(account: AccountId) -> list[Any]:
    """Conditions for the jobs of a budget, each with an index that serves it."""
    if isinstance(account, BatchAccount):
        owner = select(batches.c.api_key_id).where(batches.c.id == account.batch_id).scalar_subquery()
        return [and_(jobs.c.batch_id == account.batch_id, jobs.c.api_key_id == owner)]
    of_key = jobs.c.api_key_id == literal(account.api_key_id)
    own = select(batches.c.id).where(
        batches.c.api_key_id == account.api_key_id, batches.c.status.in_(UNFINISHED)
    )
    return [and_(of_key, jobs.c.batch_id.is_(None)), and_(of_key, jobs.c.batch_id.in_(own))]
