"""Which jobs of a lane come next: by priority, the highest first, then by the time at which they are due."""

from typing import Any

from sqlalchemy import Integer, bindparam, exists, func, select, tuple_
from sqlmodel import Session

from headrace.clock import now
from headrace.store.conditions import QUEUED
from headrace.store.tables import jobs, workers


def next_ids(session: Session, lane: str, limit: int, worker_id: str) -> list[int]:
    """Up to `limit` due jobs of a lane, locked: those that are to run next.

    None for a worker that is not registered. It costs a look into the index for each priority that is
    queued, and one for each job: neither the backlog counts nor what is not due.
    """
    asked = {"lane": lane, "at": now(), "worker": worker_id}
    ids: list[int] = []
    for priority in session.execute(_LEVELS, {"lane": lane}).scalars().all():
        due = session.execute(_DUE, asked | {"priority": priority, "most": limit - len(ids)})
        ids += due.scalars()
        if len(ids) >= limit:
            break
    return ids


def _levels() -> Any:
    """The priorities of a lane's queued jobs, the highest first: each is the next one below the last."""
    lane = bindparam("lane", type_=jobs.c.lane.type)
    highest = select(func.max(jobs.c.priority).label("priority")).where(jobs.c.lane == lane, QUEUED)
    levels = highest.cte("levels", recursive=True)
    below = select(func.max(jobs.c.priority))
    below = below.where(jobs.c.lane == lane, QUEUED, jobs.c.priority < levels.c.priority)
    found = levels.c.priority.is_not(None)
    levels = levels.union_all(select(below.scalar_subquery()).where(found))
    wanted = select(levels.c.priority).where(levels.c.priority.is_not(None))
    return wanted.order_by(levels.c.priority.desc())


def _due() -> Any:
    """Those of one priority. Said as a range, it leaves PostgreSQL no index to choose but `jobs_next`."""
    lane, worker = (bindparam(name, type_=jobs.c.lane.type) for name in ("lane", "worker"))
    priority, at = bindparam("priority", type_=Integer), bindparam("at", type_=jobs.c.run_at.type)
    due = select(jobs.c.id).where(jobs.c.lane == lane, QUEUED, jobs.c.priority >= priority)
    due = due.where(tuple_(jobs.c.priority, jobs.c.run_at) <= tuple_(priority, at))
    due = due.where(exists().where(workers.c.id == worker))
    due = due.order_by(jobs.c.priority, jobs.c.run_at, jobs.c.id).limit(bindparam("most", type_=Integer))
    return due.with_for_update(skip_locked=True)


_LEVELS, _DUE = _levels(), _due()
