"""Which jobs of a lane come next: by priority, the highest first, then by the time at which they are due."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, func, literal, select, tuple_
from sqlmodel import Session

from headrace.clock import now
from headrace.states import JobState
from headrace.store.tables import jobs, workers

# Written out, so that the partial indexes serve.
QUEUED: Any = jobs.c.state == bindparam("queued", JobState.QUEUED.value, literal_execute=True)


def next_ids(session: Session, lane: str, limit: int, worker_id: str) -> list[int]:
    """Up to `limit` due jobs of a lane, locked: those that are to run next.

    None for a worker that is not registered. It costs a look into the index for each priority that is
    queued, and one for each job: neither the backlog counts nor what is not due.
    """
    at = now()
    ids: list[int] = []
    for priority in _queued(session, lane):
        ids += _due(session, lane, priority, at, limit - len(ids), worker_id)
        if len(ids) >= limit:
            break
    return ids


def _queued(session: Session, lane: str) -> Sequence[int]:
    """The priorities of the lane's queued jobs, the highest first: each is the next one below the last."""
    highest = select(func.max(jobs.c.priority).label("priority")).where(jobs.c.lane == lane, QUEUED)
    levels = highest.cte("levels", recursive=True)
    below = select(func.max(jobs.c.priority))
    below = below.where(jobs.c.lane == lane, QUEUED, jobs.c.priority < levels.c.priority)
    found = levels.c.priority.is_not(None)
    levels = levels.union_all(select(below.scalar_subquery()).where(found))
    wanted = select(levels.c.priority).where(levels.c.priority.is_not(None))
    return session.execute(wanted.order_by(levels.c.priority.desc())).scalars().all()


def _due(
    session: Session, lane: str, priority: int, at: datetime, limit: int, worker_id: str
) -> Sequence[int]:
    """Those of one priority. Said as a range, it leaves PostgreSQL no index to choose but `jobs_next`."""
    latest = tuple_(literal(priority), literal(at, jobs.c.run_at.type))
    due = select(jobs.c.id).where(jobs.c.lane == lane, QUEUED, jobs.c.priority >= priority)
    due = due.where(tuple_(jobs.c.priority, jobs.c.run_at) <= latest)
    due = due.where(exists().where(workers.c.id == worker_id))
    due = due.order_by(jobs.c.priority, jobs.c.run_at, jobs.c.id).limit(limit)
    return session.execute(due.with_for_update(skip_locked=True)).scalars().all()
