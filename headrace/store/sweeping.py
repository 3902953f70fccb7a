"""What the sweep does to jobs: rescues those of dead workers, ends those that must not run any more."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import case, or_, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.states import JobState, Outcome
from headrace.store.finishing import finish
from headrace.store.locking import lock
from headrace.store.tables import attempts, jobs, workers

MAX_CRASHES = 3
WORKER_LOST = "worker_lost"
WAITING = (JobState.QUEUED, JobState.BLOCKED, JobState.HELD)


def rescue(session: Session, dead: Collection[str], limit: int) -> int:
    """Put up to `limit` running jobs of dead or unknown workers back into their lanes; returns how many.

    A call that was under way may have been paid for: its attempt stays counted, as ambiguous. A job that
    had a call under way in three dead workers is held, for it may be what kills them.
    """
    known = select(workers.c.id)
    orphan = or_(jobs.c.worker_id.in_(dead), jobs.c.worker_id.not_in(known))
    found = select(jobs.c.id).where(jobs.c.state == JobState.RUNNING, orphan).limit(limit)
    ids = session.execute(found.with_for_update(skip_locked=True)).scalars().all()
    if not ids:
        return 0
    _close_open_attempts(session, ids)
    rows = lock(session, ids)
    finish(
        session,
        [row for row in rows.values() if row.cancelled],
        JobState.CANCELLED,
        now(),
    )
    _queue(session, [row.id for row in rows.values() if not row.cancelled])
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


def _queue(session: Session, job_ids: Sequence[int]) -> None:
    hold = or_(jobs.c.crashes >= MAX_CRASHES, jobs.c.attempts >= jobs.c.max_attempts)
    back = update(jobs).where(jobs.c.id.in_(job_ids))
    state = case((hold, JobState.HELD.value), else_=JobState.QUEUED.value)
    session.execute(back.values(state=state, lease_token=None, worker_id=None, run_at=now()))
