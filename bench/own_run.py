"""One batch through a whole stack: how fast its calls went, how long it took in all, what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.status import Status
from sqlalchemy import func, select
from sqlmodel import Session

from bench.batch_run import BatchRun
from bench.cpu import CpuMeter
from bench.pace import Pace
from headrace.clock import now
from headrace.db import Database
from headrace.embedded import Stack
from headrace.store.tables import attempts, batches


@dataclass(frozen=True)
class OwnRun:
    """`calls` goes from the first departure to the last landing, `whole` from the upload to the results file.

    The CPU seconds of both are those of all our processes over the whole; `cpu_by_part` has them apart.
    """

    succeeded: int
    calls: Pace
    whole: Pace
    cpu_by_part: dict[str, float]


def own_run(
    stack: Stack,
    source: Path,
    timeout_seconds: float,
    status: Status,
    servers: Mapping[str, int] | None = None,
) -> OwnRun:
    """Submit `source` to an idle stack and wait for its results file.

    `servers` are the process ids of what else works for the stack, by name, such as its PostgreSQL.
    """
    run = BatchRun(stack)
    meter, began = CpuMeter(stack.pids | dict(servers or {})), now()
    run.submit(source)
    batch = run.wait(timeout_seconds, status)
    spent = meter.spent()
    database = Database(stack.settings.database)
    with database.read() as session:
        calling, ended = _calling(session), _ended(session, batch.id)
    database.close()
    cpu_seconds = sum(spent.values())
    return OwnRun(
        succeeded=batch.succeeded,
        calls=Pace(batch.total, calling.total_seconds(), cpu_seconds),
        whole=Pace(batch.total, (ended - began).total_seconds(), cpu_seconds),
        cpu_by_part=spent,
    )


def _calling(session: Session) -> timedelta:
    """From the first departure to the last landing. The database has no batch but ours."""
    ends = select(func.min(attempts.c.departed_at), func.max(attempts.c.landed_at))
    first, last = session.execute(ends).one()
    span: timedelta = last - first
    return span


def _ended(session: Session, batch_id: str) -> datetime:
    found = select(batches.c.completed_at).where(batches.c.id == batch_id)
    ended: datetime = session.execute(found).scalar_one()
    return ended
