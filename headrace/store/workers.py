"""Worker processes and the lanes they drain."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlmodel import Session

from headrace import __version__
from headrace.clock import now
from headrace.store.conditions import QUEUED
from headrace.store.inserting import dialect_of, insert_into
from headrace.store.tables import jobs, lanes, workers


def register(session: Session, worker_id: str, *, host: str, pid: int) -> None:
    """Write down that a worker process lives."""
    values = {
        "id": worker_id,
        "host": host,
        "pid": pid,
        "counter": 0,
        "started_at": now(),
        "seen_at": now(),
        "version": __version__,
    }
    session.execute(insert(workers).values(values))


def beat(session: Session, worker_id: str) -> bool:
    """Move the worker's counter; False when its row is gone, that is when others gave it up for dead."""
    moved = update(workers).where(workers.c.id == worker_id)
    moved = moved.values(counter=workers.c.counter + 1, seen_at=now()).returning(workers.c.id)
    return session.execute(moved).first() is not None


def retire(session: Session, worker_ids: Sequence[str]) -> None:
    """Forget workers that are gone. Their running jobs are orphans from now on."""
    session.execute(delete(workers).where(workers.c.id.in_(worker_ids)))


def give_up(session: Session, stood_still: Mapping[str, int]) -> list[str]:
    """Retire those workers whose counter still stands where it was seen; returns which."""
    still = [
        and_(workers.c.id == worker, workers.c.counter == at) for worker, at in sorted(stood_still.items())
    ]
    if not still:
        return []
    gone = delete(workers).where(or_(*still)).returning(workers.c.id)
    return sorted(session.execute(gone).scalars())


def counters(session: Session) -> dict[str, int]:
    """Every worker's counter: one that stands still is dead or as good as."""
    return {row.id: row.counter for row in session.execute(select(workers.c.id, workers.c.counter))}


def alive(session: Session, since: datetime) -> int:
    """How many workers were seen after `since`."""
    counted = select(func.count()).select_from(workers).where(workers.c.seen_at >= since)
    return int(session.execute(counted).scalar_one())


def versions(session: Session) -> set[str]:
    """The versions of the workers that are not given up."""
    return set(session.execute(select(workers.c.version).distinct()).scalars())


def open_lanes(session: Session, names: Sequence[str]) -> None:
    """Make sure that the sweep knows these lanes."""
    if not names:
        return
    # in one order everywhere, so that two writers of the same names cannot lock each other out
    session.execute(
        insert_into(lanes, dialect_of(session)).on_conflict_do_nothing(),
        [{"name": name} for name in sorted(set(names))],
    )


def due_lanes(session: Session) -> list[str]:
    """The lanes in which a job is due now."""
    # A minimum is one look into the index; for EXISTS, PostgreSQL may read all that is queued, once.
    soonest = select(func.min(jobs.c.run_at)).where(jobs.c.lane == lanes.c.name, QUEUED)
    due = select(lanes.c.name).where(soonest.scalar_subquery() <= now())
    return list(session.execute(due).scalars())
