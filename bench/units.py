"""What a job costs in the units by which databases, Redis and disks are bought: no promise, but to plan with.

On PostgreSQL, with two workers: idle, at the pace of one host of ten that share a million jobs an hour, and
at full speed. The slower the pace, the smaller are the groups that share a transaction, and the more of
them a job costs. At last the rows are deleted, a slice at a time, as a retention would.
"""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis
from rich.console import Console
from rich.status import Status
from rich.table import Table

from bench.batch_run import BatchRun
from bench.cpu import CpuMeter
from bench.inputs import write_input
from bench.postgres import postgres_server
from bench.provider_process import ProviderProcess
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from tests import servers

JOBS = 10_000
PACED_SECONDS = 60
HOST_PER_SECOND = 1_000_000 / 3600 / 10
LATENCY_MS = 2_000.0
IN_FLIGHT = 2_000
IDLE_SECONDS = 10.0
SETTLED_SECONDS = 1.5  # PostgreSQL's processes tell what they did once a second
TIMEOUT_SECONDS = 600.0
WORKERS = 2
DELETED_AT_ONCE = 1_000
DATABASE = (
    "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = "
)
SIZE = "SELECT sum(pg_total_relation_size(c)) FROM unnest(ARRAY['jobs', 'attempts']::regclass[]) c"
DELETE = """\
WITH gone AS (SELECT id FROM jobs ORDER BY id LIMIT %s),
     calls AS (DELETE FROM attempts WHERE job_id IN (SELECT id FROM gone))
DELETE FROM jobs WHERE id IN (SELECT id FROM gone)
"""


@dataclass(frozen=True)
class Units:
    """Counted over a time, of all processes. `table_bytes` are those of jobs and attempts, with indexes."""

    transactions: float
    rows: float
    wal_bytes: float
    table_bytes: float
    redis_commands: float
    redis_scripts: float
    cpu_ms: float

    def minus(self, before: "Units") -> "Units":
        """What came since."""
        return self._each(before, lambda mine, other: mine - other)

    def per(self, count: float) -> "Units":
        """The share of each of so many."""
        return self._each(self, lambda mine, _: mine / count)

    def _each(self, other: "Units", operation: Callable[[float, float], float]) -> "Units":
        theirs = asdict(other)
        return Units(**{name: operation(mine, theirs[name]) for name, mine in asdict(self).items()})


@dataclass
class Findings:
    """Units of an idle second, of a job at the pace of a host and at full speed; seconds to delete a job."""

    load_before: float
    idle: Units
    paced: Units
    fast: Units
    delete_seconds: float


def measure(console: Console, jobs: int = JOBS, paced_seconds: int = PACED_SECONDS) -> Report:
    """Run it: about three minutes."""
    load = os.getloadavg()[0]
    with bench_folder() as folder, console.status("") as status:
        idle, paced, _ = _run(folder / "paced", round(paced_seconds * HOST_PER_SECOND), status, paced=True)
        _, fast, delete_seconds = _run(folder / "fast", jobs, status, paced=False)
    return report(Findings(load, idle, paced, fast, delete_seconds))


def report(found: Findings) -> Report:
    """The table. Nothing is promised but that there is something to tell."""
    shown = {"idle, a second": found.idle, f"a job, {HOST_PER_SECOND:.0f} a second": found.paced}
    shown["a job, at full speed"] = found.fast
    caption = f"load average of the machine before: {found.load_before:.1f}; to delete a job and its calls "
    caption += f"takes {1e6 * found.delete_seconds:.0f} us"
    table = Table("", *shown, title=f"PostgreSQL, {WORKERS} workers", caption=caption)
    for name in asdict(found.idle):
        table.add_row(name.replace("_", " "), *(f"{asdict(units)[name]:,.2f}" for units in shown.values()))
    told = Promise("units counted", f"{found.fast.rows:.1f} rows a job", "some", found.fast.rows > 0)
    return Report("units", [table], asdict(found), [told])


def _run(folder: Path, jobs: int, status: Status, *, paced: bool) -> tuple[Units, Units, float]:
    """Units a second while idle, units a job, and seconds to delete a job."""
    folder.mkdir()
    status.update(f"{jobs:,} jobs, {'paced' if paced else 'at full speed'}")
    limits = {"rpm": round(60 * HOST_PER_SECOND)} if paced else {"max_in_flight": IN_FLIGHT}
    source = folder / "input.jsonl"
    write_input(source, jobs)
    with ExitStack() as running:
        provider = running.enter_context(ProviderProcess(latency_ms=LATENCY_MS))
        server = running.enter_context(postgres_server(folder))
        valkey = running.enter_context(servers.valkey())
        redis_url = f"{valkey.url}/0"
        stack = running.enter_context(
            running_stack(
                folder,
                provider.base_url,
                workers=WORKERS,
                database_url=server.url,
                more={"redis_url": redis_url},
                **limits,
            )
        )
        database = running.enter_context(psycopg.connect(servers.for_psycopg(server.url), autocommit=True))
        redis = running.enter_context(Redis.from_url(redis_url))
        meter = CpuMeter(stack.pids | {"postgresql": server.process.pid, "valkey": valkey.process.pid})
        time.sleep(IDLE_SECONDS)  # what the start left to do
        look = partial(_units, database, redis, meter)
        idle = _counted(look, lambda: time.sleep(IDLE_SECONDS)).per(IDLE_SECONDS)
        run = BatchRun(stack)
        run.submit(source)
        done = _counted(look, lambda: run.wait(TIMEOUT_SECONDS, status))
        return idle, done.per(jobs), _delete_all(database) / jobs


def _counted(look: Callable[[], Units], work: Callable[[], object]) -> Units:
    before = look()
    work()
    time.sleep(SETTLED_SECONDS)
    return look().minus(before)


def _units(database: Any, redis: Any, meter: CpuMeter) -> Units:
    scripts = redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    transactions, rows = database.execute(f"{DATABASE}current_database()").fetchone()
    return Units(
        transactions=transactions,
        rows=rows,
        wal_bytes=float(database.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()[0]),
        table_bytes=float(database.execute(SIZE).fetchone()[0]),
        redis_commands=redis.info("stats")["total_commands_processed"],
        redis_scripts=scripts,
        cpu_ms=1000 * sum(meter.spent().values()),
    )


def _delete_all(database: Any) -> float:
    began = time.monotonic()
    while database.execute(DELETE, (DELETED_AT_ONCE,)).rowcount:
        pass
    return time.monotonic() - began
