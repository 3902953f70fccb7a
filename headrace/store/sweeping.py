"""What the sweep does to jobs: rescues those of dead workers, ends those that must not run any more."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.states import JobState
from headrace.store import ledger
from headrace.store.conditions import QUEUED, RUNNING, WAITING
from headrace.store.finishing import WORKER_LOST, finish
from headrace.store.locking import lock
from headrace.store.lost_calls import book, close_open
from headrace.store.tables import jobs, lanes, workers

MAX_CRASHES = 3
LONGEST_WAIT = timedelta(minutes=15)  # the longest pause, 300 s, and more than its jitter
CALL_LOST_MESSAGE = "The worker died while the call was under way."
LOST_MESSAGE = "The worker died that had this job."
HELD_MESSAGE = "Three workers died while a call of this job was under way. It waits for a person."


def rescue(session: Session, dead: Collection[str], limit: int) -> int:
    """Put up to `limit` running jobs of dead or unknown workers back into their lanes; returns how many.

    A call that was under way may have been paid for: its attempt stays counted, as ambiguous, and a job
    that has no attempt left fails. One that had a call under way in three dead workers is held, for it may
    be what kills them; and where the batch wants it, every one that had a call under way.
    """
    unknown = strangers(session)
    if not dead and not unknown:
        return 0
    still_unknown = and_(jobs.c.worker_id.in_(unknown), jobs.c.worker_id.not_in(select(workers.c.id)))
    orphan = or_(jobs.c.worker_id.in_(dead), still_unknown)
    found = select(jobs.c.id).where(RUNNING, orphan).limit(limit)
    ids = session.execute(found.with_for_update(skip_locked=True)).scalars().all()
    _take_back(session, ids)
    return len(ids)


def strangers(session: Session) -> set[str]:
    """Who has running jobs and is no worker. It costs a look into the index for each holder."""
    first = select(func.min(jobs.c.worker_id).label("id")).where(RUNNING)
    holders = first.cte("holders", recursive=True)
    following = select(func.min(jobs.c.worker_id)).where(RUNNING, jobs.c.worker_id > holders.c.id)
    holders = holders.union_all(select(following.scalar_subquery()).where(holders.c.id.is_not(None)))
    unknown = holders.c.id.not_in(select(workers.c.id))
    found = select(holders.c.id).where(holders.c.id.is_not(None), unknown)
    return set(session.execute(found).scalars())


def leased_to(session: Session, worker_id: str) -> set[tuple[int, str]]:
    """The ids and lease tokens of a worker's running jobs."""
    leased = select(jobs.c.id, jobs.c.lease_token)
    leased = leased.where(jobs.c.worker_id == worker_id, RUNNING)
    return {(row.id, row.lease_token) for row in session.execute(leased)}


def take_back(session: Session, tokens: Mapping[int, str]) -> int:
    """Rescue jobs that their living worker knows nothing of, if still leased so; returns how many."""
    rows = lock(session, tokens)
    ids = [row.id for row in rows.values() if row.lease_token == tokens[row.id]]
    _take_back(session, ids)
    return len(ids)


def _take_back(session: Session, ids: Sequence[int]) -> None:
    """Locked running jobs that nobody works on."""
    if not ids:
        return
    closed = _close_calls(session, ids)
    had_calls = {attempt.job_id for attempt in closed}
    rows = lock(session, ids)
    entries = book(session, closed, rows)
    cancelled = [row for row in rows.values() if row.cancelled]
    going_on = [row for row in rows.values() if not row.cancelled]
    finish(session, cancelled, JobState.CANCELLED, now())
    held = {row.id for row in going_on if row.hold_ambiguous and row.id in had_calls}
    over = {row.id for row in going_on if _is_exhausted(row) and row.id not in held}
    finish(session, [row for row in going_on if row.id in over], JobState.FAILED, now())
    _put_back(session, [row.id for row in going_on if row.id not in over], held)
    ledger.post(session, entries, rows)


def end_waiting(session: Session, batch_id: str, state: JobState, limit: int) -> int:
    """Cancel or expire up to `limit` waiting jobs of a batch; returns how many."""
    waiting = select(jobs.c.id, jobs.c.batch_id).where(jobs.c.batch_id == batch_id, WAITING)
    rows: Sequence[Any] = session.execute(
        waiting.order_by(jobs.c.id).limit(limit).with_for_update(skip_locked=True)
    ).all()
    finish(session, rows, state, now())
    return len(rows)


def put_off(session: Session) -> list[str]:
    """The lanes with a job that waits longer than any reason of ours: a clock was put back since."""
    latest = select(func.max(jobs.c.run_at)).where(jobs.c.lane == lanes.c.name, QUEUED)
    far = select(lanes.c.name).where(latest.scalar_subquery() > now() + LONGEST_WAIT)
    return list(session.execute(far).scalars())


def bring_forward(session: Session, names: Collection[str], limit: int) -> int:
    """Make up to `limit` such jobs of these lanes due now; returns how many."""
    far = jobs.c.run_at > now() + LONGEST_WAIT
    found = select(jobs.c.id).where(jobs.c.lane.in_(names), QUEUED, far).limit(limit)
    ids = session.execute(found.with_for_update(skip_locked=True)).scalars().all()
    if ids:
        session.execute(update(jobs).where(jobs.c.id.in_(ids)).values(run_at=now()))
    return len(ids)


def _close_calls(session: Session, job_ids: Sequence[int]) -> list[Any]:
    """Counts the crash for each job that had a call under way, too; returns these calls."""
    closed = close_open(session, job_ids, CALL_LOST_MESSAGE)
    crashed = [attempt.job_id for attempt in closed]
    session.execute(update(jobs).where(jobs.c.id.in_(crashed)).values(crashes=jobs.c.crashes + 1))
    return closed


def _is_exhausted(row: Any) -> bool:
    return bool(row.attempts >= row.max_attempts)


def _put_back(session: Session, job_ids: Sequence[int], held: Collection[int]) -> None:
    hold = jobs.c.crashes >= MAX_CRASHES
    back = update(jobs).where(jobs.c.id.in_(job_ids))
    state = case((or_(hold, jobs.c.id.in_(held)), JobState.HELD.value), else_=JobState.QUEUED.value)
    back = back.values(
        state=state,
        lease_token=None,
        worker_id=None,
        run_at=now(),
        error_code=WORKER_LOST,
        error_message=case((hold, HELD_MESSAGE), else_=LOST_MESSAGE),
    )
    session.execute(back)
