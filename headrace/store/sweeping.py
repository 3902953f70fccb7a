"""What the sweep does to jobs: rescues those of dead workers, ends those that must not run any more."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import case, or_, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.states import JobState, Outcome
from headrace.store.finishing import WORKER_LOST, finish
from headrace.store.locking import lock
from headrace.store.tables import attempts, jobs, workers

MAX_CRASHES = 3
LOST_MESSAGE = "The worker died that had this job."
HELD_MESSAGE = "Three workers died while a call of this job was under way. It waits for a person."
WAITING = (JobState.QUEUED, JobState.BLOCKED, JobState.HELD)


def rescue(session: Session, dead: Collection[str], limit: int) -> int:
    """Put up to `limit` running jobs of dead or unknown workers back into their lanes; returns how many.

    A call that was under way may have been paid for: its attempt stays counted, as ambiguous, and a job
    that has no attempt left fails. One that had a call under way in three dead workers is held, for it may
    be what kills them.
    """
    known = select(workers.c.id)
    orphan = or_(jobs.c.worker_id.in_(dead), jobs.c.worker_id.not_in(known))
    found = select(jobs.c.id).where(jobs.c.state == JobState.RUNNING, orphan).limit(limit)
    ids = session.execute(found.with_for_update(skip_locked=True)).scalars().all()
    if not ids:
        return 0
    _close_open_attempts(session, ids)
    rows = lock(session, ids)
    cancelled = [row for row in rows.values() if row.cancelled]
    going_on = [row for row in rows.values() if not row.cancelled]
    finish(session, cancelled, JobState.CANCELLED, now())
    finish(session, [row for row in going_on if _is_exhausted(row)], JobState.FAILED, now())
    _queue(session, [row.id for row in going_on if not _is_exhausted(row)])
    return len(ids)


def end_waiting(session: Session, batch_id: str, state: JobState, limit: int) -> int:
    """Cancel or expire up to `limit` waiting jobs of a batch; returns how many."""
    waiting = select(jobs.c.id, jobs.c.batch_id).where(jobs.c.batch_id == batch_id, jobs.c.state.in_(WAITING))
    rows: Sequence[Any] = session.execute(
        waiting.order_by(jobs.c.id).limit(limit).with_for_update(skip_locked=True)
    ).all()
    finish(session, rows, state, now())
    return len(rows)


def _close_open_attempts(session: Session, job_ids: Sequence[int]) -> None:
    """Also counts the crash for each job that had a call under way."""
    open_ones = (attempts.c.job_id.in_(job_ids), attempts.c.outcome == Outcome.OPEN)
    lost = update(attempts).where(*open_ones).returning(attempts.c.job_id)
    lost = lost.values(
        landed_at=now(),
        outcome=Outcome.AMBIGUOUS,
        error_code=WORKER_LOST,
        error_message="The worker died while the call was under way.",
    )
    crashed = session.execute(lost).scalars().all()
    session.execute(update(jobs).where(jobs.c.id.in_(crashed)).values(crashes=jobs.c.crashes + 1))


def _is_exhausted(row: Any) -> bool:
    return bool(row.attempts >= row.max_attempts)


def _queue(session: Session, job_ids: Sequence[int]) -> None:
    hold = jobs.c.crashes >= MAX_CRASHES
    back = update(jobs).where(jobs.c.id.in_(job_ids))
    state = case((hold, JobState.HELD.value), else_=JobState.QUEUED.value)
    back = back.values(
        state=state,
        lease_token=None,
        worker_id=None,
        run_at=now(),
        error_code=WORKER_LOST,
        error_message=case((hold, HELD_MESSAGE), else_=LOST_MESSAGE),
    )
    session.execute(back)
