"""The workers and the work: who lives, in which version, and what waits for a person."""

import time
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from headrace.clock import now
from headrace.db import Database
from headrace.doctor.findings import Finding, ok, warning, wrong
from headrace.states import JobState
from headrace.store import tables, workers

SECOND_LOOK_SECONDS = 12.0  # a counter moves every ten
LOOK_SECONDS = 0.5
FIRST = "see to the database first"


def look_at_workers(database: Database, lease_seconds: float) -> Iterator[Finding]:
    """Whether one lives. Where the clocks disagree, a counter that moves shows it."""
    try:
        with database.read() as session:
            known = workers.counters(session)
            alive = workers.alive(session, now() - timedelta(seconds=lease_seconds))
        if known and not alive:
            alive = _moving(database, known)
        yield _crew(alive)
        if alive:
            yield from _mixed(database)
    except SQLAlchemyError as error:
        yield warning("workers", f"cannot be counted ({type(error).__name__})", FIRST)


def look_at_held_jobs(database: Database) -> Iterator[Finding]:
    """Jobs that wait for a person."""
    held = select(func.count()).select_from(tables.jobs).where(tables.jobs.c.state == JobState.HELD)
    try:
        with database.read() as session:
            number = session.execute(held).scalar_one()
    except SQLAlchemyError as error:
        yield warning("jobs", f"cannot be counted ({type(error).__name__})", FIRST)
        return
    if number:
        advice = (
            "`headrace held` says why; `headrace release` lets them go, `headrace cancel` ends their batch"
        )
        yield warning("jobs", f"{number} are held and wait for a decision", advice)
    else:
        yield ok("jobs", "none is held")


def _moving(database: Database, known: dict[str, int]) -> int:
    end = time.monotonic() + SECOND_LOOK_SECONDS
    while time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
        with database.read() as session:
            moved = workers.counters(session).items() - known.items()
        if moved:
            return len(moved)
    return 0


def _crew(alive: int) -> Finding:
    if alive:
        return ok("workers", f"{alive} {'lives' if alive == 1 else 'live'}")
    return wrong(
        "workers", "none lives", "start one with `celery -A worker worker -P gevent`, or `headrace up`"
    )


def _mixed(database: Database) -> Iterator[Finding]:
    row = tables.workers.c
    with database.read() as session:
        counted = session.execute(select(row.version, func.count()).group_by(row.version)).all()
    if len(counted) > 1:
        listed = ", ".join(f"{number} of {version or 'a version before 0.2'}" for version, number in counted)
        what = f"they are of several versions: {listed}"
        yield warning("workers", what, "fine while they are being replaced; else replace the rest too")
