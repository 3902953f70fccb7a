"""Polling: what 200 polls of status a second cost a queue that runs at full speed, and how long each takes.

One long batch runs through two workers in front of the cheap provider, and its status is polled in every
other span of some seconds. The throughput of a span is the jobs that landed in it. Each pair of neighbours
gives a ratio, and the median of the pairs counts. The poller is a process of its own and shares the cores.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from rich.console import Console
from rich.status import Status
from rich.table import Table
from sqlalchemy import select

from bench.batch_run import BatchRun
from bench.cpu import CpuMeter
from bench.inputs import write_input
from bench.poller_process import PollerProcess
from bench.postgres import running_postgres
from bench.provider_process import ProviderProcess
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from headrace.db import Database
from headrace.embedded import Stack
from headrace.states import BatchStatus
from headrace.store.tables import batches

JOBS = 50_000  # the largest batch
RATE = 200.0
WORKERS = 2
LATENCY_MS = 200.0
IN_FLIGHT = 400
SPAN_SECONDS = 3.0
PAIRS = 6
START_SECONDS = 120.0
LOOK_SECONDS = 0.2
MOST_LOST = 0.10
MOST_P99_MS = 50.0
KINDS = ("sqlite", "postgresql")
CPU = {"API CPU ms a poll": "api", "poller's": "poller"}


@dataclass
class Spans:
    """Jobs a second of the quiet spans and of the polled ones, in pairs, and the polls of the latter."""

    quiet: list[float] = field(default_factory=list)
    polled: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    failed: int = 0
    cpu_seconds: Counter[str] = field(default_factory=Counter)

    def cpu_ms(self, part: str) -> float:
        """CPU milliseconds of the `api` or the `poller` for one poll."""
        return 1000 * self.cpu_seconds[part] / (len(self.ms) + self.failed)

    @property
    def lost(self) -> float:
        """The share of its throughput that the queue lost to polls: the median of the pairs."""
        pairs = zip(self.polled, self.quiet, strict=True)
        # On a machine that is busy with other things, nothing may land in a short span.
        return 1 - median([polled / quiet for polled, quiet in pairs if quiet] or [0.0])

    @property
    def p99_ms(self) -> float:
        """All but one poll in a hundred were answered sooner."""
        return quantiles(self.ms, n=100)[-1]


@dataclass(frozen=True)
class Findings:
    """The spans by kind of database."""

    load_before: float
    rate: float
    spans: dict[str, Spans]


def measure(console: Console, jobs: int = JOBS, span_seconds: float = SPAN_SECONDS) -> Report:
    """Run it: about three minutes with the figures that the promise names."""
    found = Findings(os.getloadavg()[0], RATE, {})
    with (
        bench_folder() as folder,
        ProviderProcess(latency_ms=LATENCY_MS) as provider,
        console.status("") as status,
    ):
        source = folder / "input.jsonl"
        write_input(source, jobs)
        for kind in KINDS:
            status.update(f"{kind}: starting")
            found.spans[kind] = _run(kind, folder / kind, provider.base_url, source, span_seconds, status)
    return report(found)


def report(found: Findings) -> Report:
    """The findings and the promises."""
    promises = []
    for kind, spans in found.spans.items():
        lost, p99_ms = spans.lost, spans.p99_ms
        promises += [
            Promise(f"{kind}: throughput lost", f"{lost:.1%}", f"at most {MOST_LOST:.0%}", lost <= MOST_LOST),
            Promise(f"{kind}: p99", f"{p99_ms:.1f} ms", f"below {MOST_P99_MS:g} ms", p99_ms < MOST_P99_MS),
            Promise(f"{kind}: polls that failed", f"{spans.failed}", "0", spans.failed == 0),
        ]
    return Report("polling", [_table(found)], _figures(found), promises)


def _run(kind: str, folder: Path, base_url: str, source: Path, span_seconds: float, status: Status) -> Spans:
    folder.mkdir()
    with ExitStack() as running:
        url = running.enter_context(running_postgres(folder)) if kind == "postgresql" else None
        stack = running.enter_context(
            running_stack(folder, base_url, workers=WORKERS, database_url=url, max_in_flight=IN_FLIGHT)
        )
        run = BatchRun(stack)
        run.submit(source)
        path = f"/v1/batches/{run.batch_id}"
        poller = running.enter_context(PollerProcess(stack.base_url, stack.api_key, path, RATE))
        database = Database(stack.settings.database)
        running.callback(database.close)
        return _Course(database, run.batch_id, span_seconds, stack).run(poller, f"{kind}: ", status)


class _Course:
    """The batch as it goes on, seen from the database: to look costs nothing."""

    def __init__(self, database: Database, batch_id: str, span_seconds: float, stack: Stack) -> None:
        self._database = database
        self._batch_id = batch_id
        self._span_seconds = span_seconds
        self._stack = stack

    def run(self, poller: PollerProcess, kind: str, status: Status) -> Spans:
        """Spans in pairs, quiet or polled first in turn, as long as there are jobs for one more."""
        self._wait_ingested()
        spans = Spans()
        while len(spans.quiet) < PAIRS and self._is_enough(spans):
            status.update(f"{kind}pair {len(spans.quiet) + 1} of {PAIRS}")
            for is_polled in (False, True) if len(spans.quiet) % 2 else (True, False):
                if is_polled:
                    spans.polled.append(
                        self._paced(lambda: _polls(poller, self._stack, self._span_seconds, spans))
                    )
                else:
                    spans.quiet.append(self._paced(lambda: time.sleep(self._span_seconds)))
        if not spans.quiet:
            raise RuntimeError("the jobs were done before a pair of spans was over: take more")
        return spans

    def _wait_ingested(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (row := self._row()).total == 0 or row.ingested < row.total:
            self._stack.check()
            if row.status == BatchStatus.FAILED:
                raise RuntimeError(f"the input was refused: {row.errors}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the input was not read in {START_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)

    def _is_enough(self, spans: Spans) -> bool:
        """Whether the jobs that are left last for one more pair, at the fastest pace so far."""
        row = self._row()
        fastest = max((*spans.quiet, *spans.polled), default=0.0)
        return bool(row.total - row.succeeded > 2.5 * self._span_seconds * fastest)

    def _paced(self, span: Callable[[], object]) -> float:
        """Jobs a second that landed during the span."""
        self._stack.check()
        before, began = self._row().succeeded, time.monotonic()
        span()
        return float((self._row().succeeded - before) / (time.monotonic() - began))

    def _row(self) -> "_Row":
        columns = (batches.c[name] for name in _Row._fields)
        with self._database.read() as session:
            return _Row(*session.execute(select(*columns).where(batches.c.id == self._batch_id)).one())


class _Row(NamedTuple):
    status: str
    errors: Any
    total: int
    ingested: int
    succeeded: int


def _polls(poller: PollerProcess, stack: Stack, seconds: float, spans: Spans) -> None:
    meter = CpuMeter({"api": stack.pids["api"], "poller": poller.pid})
    polled = poller.poll(seconds)
    spans.cpu_seconds.update(meter.spent())
    spans.ms += polled.ms
    spans.failed += polled.failed


def _table(found: Findings) -> Table:
    title = f"{found.rate:g} polls a second, {WORKERS} workers, {LATENCY_MS:g} ms, {IN_FLIGHT} in flight"
    caption = f"load average of the machine before: {found.load_before:.1f}"
    columns = ("jobs/s quiet", "jobs/s polled", "lost", "polls", "p50 ms", "p99 ms", "longest", *CPU)
    table = Table("", *columns, title=title, caption=caption)
    for kind, spans in found.spans.items():
        rates = (f"{median(rates):,.0f}" for rates in (spans.quiet, spans.polled))
        times = (f"{ms:.1f}" for ms in (median(spans.ms), spans.p99_ms, max(spans.ms)))
        costs = (f"{spans.cpu_ms(part):.2f}" for part in CPU.values())
        table.add_row(kind, *rates, f"{spans.lost:.1%}", f"{len(spans.ms):,}", *times, *costs)
    return table


def _figures(found: Findings) -> dict[str, object]:
    return {
        "load_before": found.load_before,
        "rate": found.rate,
        "kinds": {kind: _span_figures(spans) for kind, spans in found.spans.items()},
    }


def _span_figures(spans: Spans) -> dict[str, object]:
    latencies: Sequence[float] = spans.ms
    return {
        "quiet_per_second": spans.quiet,
        "polled_per_second": spans.polled,
        "lost": spans.lost,
        "polls": len(latencies),
        "failed": spans.failed,
        "median_ms": median(latencies),
        "p99_ms": spans.p99_ms,
        "longest_ms": max(latencies),
        "cpu_ms": {part: spans.cpu_ms(part) for part in CPU.values()},
    }
