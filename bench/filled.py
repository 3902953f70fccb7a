"""Databases with any number of queued jobs, filled in bulk: a million rows take less than a minute."""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import CTE, Text, cast, insert, literal, select, text
from sqlmodel import Session

from bench.inputs import ENDPOINT
from headrace.clock import now
from headrace.db import Database
from headrace.migrations import upgrade
from headrace.states import BatchStatus, JobState
from headrace.store import keys, workers
from headrace.store.tables import batches, jobs
from headrace.usage import SUMMED

BODY = '{"model":"bench","messages":[{"role":"user","content":"How far may the gate be opened today?"}]}'
ROWS_AT_ONCE = 20_000
FIRST_NUMBER = 1_000_000  # of the batches, so that their ids are of one length
HOUR = timedelta(hours=1)
MAX_ATTEMPTS = 5


class Load(NamedTuple):
    """`jobs` that are due, dealt out in turn to so many batches in progress, and these to so many lanes."""

    jobs: int
    batches: int = 1
    lanes: int = 1


class Filled(NamedTuple):
    """A migrated database with a load, and with the key and the workers that it belongs to."""

    db: Database
    load: Load
    key_id: str
    secret: str
    workers: tuple[str, ...]


def lane_of(number: int) -> str:
    """The name of a lane, counted from 0."""
    return f"bench-{number}"


def batch_id_of(number: int) -> str:
    """The id of a batch, counted from 0."""
    return f"batch_{FIRST_NUMBER + number}"


def fill(db: Database, load: Load) -> Filled:
    """Migrate an empty database and fill it."""
    upgrade(db.engine)
    living = ("worker-1", "worker-2")
    with db.begin() as session:
        key, secret = keys.create(session, "the bench")
        for worker in living:
            workers.register(session, worker, host="here", pid=1)
        workers.open_lanes(session, [lane_of(number) for number in range(load.lanes)])
        session.execute(insert(batches), [_batch(load, number, key.id) for number in range(load.batches)])
    for first in range(0, load.jobs, ROWS_AT_ONCE):
        with db.begin() as session:
            _insert_jobs(session, load, key.id, first, min(first + ROWS_AT_ONCE, load.jobs))
    return Filled(db, load, key.id, secret, living)


def analyse(db: Database) -> None:
    """Have PostgreSQL count anew what its tables hold, as it does by itself now and then."""
    if db.engine.dialect.name == "postgresql":
        with db.begin() as session:
            session.execute(text("ANALYZE"))


def _batch(load: Load, number: int, key_id: str) -> dict[str, Any]:
    lines = len(range(number, load.jobs, load.batches))
    at = now() - HOUR
    return {
        "id": batch_id_of(number),
        "api_key_id": key_id,
        "endpoint": ENDPOINT,
        "input_file_id": f"file-{number}",
        "completion_window": "24h",
        "status": BatchStatus.IN_PROGRESS,
        "model": lane_of(number % load.lanes),
        "created_at": at,
        "in_progress_at": at,
        "expires_at": at + 24 * HOUR,
        "total": lines,
        "ingested": lines,
    }


def _insert_jobs(session: Session, load: Load, key_id: str, first: int, end: int) -> None:
    """Those with the numbers from `first` to before `end`."""
    n = series(first, end).c.n
    batch = n % load.batches
    at = now() - HOUR
    values = {
        "api_key_id": literal(key_id),
        "batch_id": named("batch_", FIRST_NUMBER + batch),
        "line": n // load.batches + 1,
        "custom_id": named("job-", n),
        "endpoint": literal(ENDPOINT),
        "lane": named("bench-", batch % load.lanes),
        "body": literal(BODY),
        "prompt_estimate": literal(20),
        "state": literal(JobState.QUEUED.value),
        "run_at": literal(at, jobs.c.run_at.type),
        "created_at": literal(at, jobs.c.created_at.type),
        "cancel_requested": literal(False),
        "max_attempts": literal(MAX_ATTEMPTS),
        **dict.fromkeys(("attempts", "calls", "crashes", *SUMMED), literal(0)),
    }
    rows = select(*values.values())
    session.execute(insert(jobs).from_select(list(values), rows, include_defaults=False))


def series(first: int, end: int) -> CTE:
    """A table of the numbers from `first` to before `end`, in its column `n`."""
    numbers = select(literal(first).label("n")).cte("series", recursive=True)
    return numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < end - 1))


def named(prefix: str, number: Any) -> Any:
    """Text: `prefix` and a number that a statement has."""
    return literal(prefix).concat(cast(number, Text))
