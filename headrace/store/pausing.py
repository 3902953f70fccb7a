"""Budgets that are used up: their waiting jobs are held, and queued again when there is room.

A budget is closed while its `wanted_nanos` do not fit. Whoever holds a job for it has the budget's row locked
and saw it closed; and `reopen` takes the mark away when no job is held for it any more. So none is forgotten.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, exists, or_, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.periods import begins
from headrace.states import BatchStatus, JobState, Period
from headrace.store.accounts import AccountId, BatchAccount, KeyAccount, named, row_of
from headrace.store.admission import BUDGET_USED_UP
from headrace.store.conditions import HELD, QUEUED, WAITING
from headrace.store.tables import batches, budgets, jobs, spending

UNFINISHED = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING)
HELD_MESSAGE = (
    "Its budget is used up. It goes on when there is room: when the budget is raised, or its period is over."
)
OF_BATCH = batches.c.cost_nanos + batches.c.doubtful_nanos + batches.c.wanted_nanos
BATCH_IS_CLOSED = batches.c.budget_nanos < OF_BATCH
KEY_IS_CLOSED = budgets.c.limit_nanos < spending.c.spent_nanos + spending.c.wanted_nanos
HELD_BY_BUDGET = and_(HELD, jobs.c.error_code == BUDGET_USED_UP)
BUDGET_OF_KEY = and_(budgets.c.api_key_id == spending.c.api_key_id, budgets.c.period == spending.c.period)


class Closed(NamedTuple):
    """A budget for which a call had to stay behind, and whether that would fit now."""

    account: AccountId
    has_room: bool


def closed(session: Session, at: datetime) -> list[Closed]:
    """All of them, but for those that have room for jobs whose key has none.

    A day's or a month's budget has room when the next one has begun.
    """
    of_keys = _closed_keys(session, int(at.timestamp()))
    stuck = {one.account[0] for one in of_keys if not one.has_room}
    marked = select(batches.c.id, batches.c.api_key_id, BATCH_IS_CLOSED).where(
        batches.c.status.in_(UNFINISHED), batches.c.wanted_nanos.is_not(None)
    )
    found = [one for one in of_keys if not one.has_room or one.account[0] not in stuck]
    for batch_id, api_key_id, is_closed in session.execute(marked):
        if is_closed or api_key_id not in stuck:
            found.append(Closed(BatchAccount(batch_id), not is_closed))
    return found


def has_queued(session: Session, account: AccountId) -> bool:
    """Whether jobs of a budget wait for their turn. It may look long, and holds nobody up."""
    chosen = (select(jobs.c.id).where(chosen).limit(1) for chosen in _of(account, QUEUED))
    return any(session.execute(found).first() is not None for found in chosen)


def hold(session: Session, account: AccountId, limit: int) -> int:
    """Hold up to `limit` queued jobs of a budget, if it is closed; returns how many."""
    chosen = [row.id for row in _some(session, account, QUEUED, limit)]
    if not chosen or not _is_closed(session, account):
        return 0
    changed = update(jobs).where(jobs.c.id.in_(chosen))
    told = {"error_code": BUDGET_USED_UP, "error_message": HELD_MESSAGE}
    session.execute(changed.values(state=JobState.HELD, run_at=now(), **told))
    return len(chosen)


def resume(session: Session, account: AccountId, before: datetime, limit: int) -> list[str]:
    """Queue up to `limit` jobs again that a budget held until `before`; returns the lane of each."""
    rows = _some(session, account, and_(HELD_BY_BUDGET, jobs.c.run_at <= before), limit)
    changed = update(jobs).where(jobs.c.id.in_([row.id for row in rows]))
    session.execute(changed.values(state=JobState.QUEUED, run_at=now(), error_code=None, error_message=None))
    return [row.lane for row in rows]


def reopen(session: Session, account: AccountId) -> bool:
    """Take the mark of a budget away, unless jobs are still held for it; returns whether that was done."""
    session.execute(_row(account).with_for_update(key_share=True))
    for chosen in _of(account, HELD_BY_BUDGET):
        if session.execute(select(jobs.c.id).where(chosen).limit(1)).first() is not None:
            return False
    session.execute(row_of(account).values(wanted_nanos=None))
    if isinstance(account, KeyAccount):
        kept = exists().where(BUDGET_OF_KEY)
        session.execute(delete(spending).where(*named(account), ~kept))
    return True


def closed_period(api_key_id: Any) -> Any:
    """The question which budget of a key is closed, if any: its period."""
    found = select(spending.c.period).join(budgets, BUDGET_OF_KEY)
    return found.where(spending.c.api_key_id == api_key_id, KEY_IS_CLOSED).limit(1)


def _closed_keys(session: Session, seconds: int) -> list[Closed]:
    marked = select(spending.c.api_key_id, spending.c.period, spending.c.begins, KEY_IS_CLOSED)
    marked = marked.outerjoin(budgets, BUDGET_OF_KEY).where(spending.c.wanted_nanos.is_not(None))
    found = []
    for api_key_id, period, began, is_closed in session.execute(marked):
        is_over = begins(Period(period), seconds) > began
        found.append(Closed(KeyAccount(api_key_id, Period(period), began), is_over or not is_closed))
    return found


def _is_closed(session: Session, account: AccountId) -> bool:
    """Whether it is, and stays so until our commit."""
    if isinstance(account, BatchAccount):
        wanted = _row(account).where(BATCH_IS_CLOSED)
        return session.execute(wanted.with_for_update(key_share=True)).first() is not None
    wanted = _row(account).join(budgets, BUDGET_OF_KEY).where(KEY_IS_CLOSED)
    return session.execute(wanted.with_for_update(of=spending)).first() is not None


def _row(account: AccountId) -> Any:
    if isinstance(account, BatchAccount):
        return select(batches.c.id).where(batches.c.id == account.batch_id)
    return select(spending.c.api_key_id).where(*named(account))


def _some(session: Session, account: AccountId, state: Any, limit: int) -> Sequence[Any]:
    rows: list[Any] = []
    for chosen in _of(account, state):
        found = select(jobs.c.id, jobs.c.lane).where(chosen).limit(limit - len(rows))
        rows += session.execute(found.with_for_update(skip_locked=True)).all()
    return rows


def _of(account: AccountId, state: Any) -> list[Any]:
    """Conditions for the jobs of a budget in a state, each with an index that serves it.

    What a key's budget held is held on by a closed one of its batch.
    """
    is_held = state is not QUEUED
    if not is_held:
        state = and_(WAITING, QUEUED)  # for SQLite does not see that the one is part of the other
    if isinstance(account, BatchAccount):
        owner = select(batches.c.api_key_id).where(batches.c.id == account.batch_id).scalar_subquery()
        return [and_(state, jobs.c.batch_id == account.batch_id, jobs.c.api_key_id == owner)]
    of_key = jobs.c.api_key_id == account.api_key_id
    own = select(batches.c.id).where(
        batches.c.api_key_id == account.api_key_id, batches.c.status.in_(UNFINISHED)
    )
    if is_held:
        own = own.where(
            or_(batches.c.wanted_nanos.is_(None), batches.c.budget_nanos.is_(None), ~BATCH_IS_CLOSED)
        )
    return [and_(state, of_key, jobs.c.batch_id.is_(None)), and_(state, of_key, jobs.c.batch_id.in_(own))]
