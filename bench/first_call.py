"""First call: how soon a call leaves after `POST /v1/jobs`, on a stack that has nothing else to do.

Jobs are submitted one by one, after idling for a random time: most to a lane that had calls before, some to
a new one, some after ten seconds of idling. The provider notes when the first byte of a request came. After
each job the bench calls the provider itself, so that it is known what HTTP alone takes. Client, provider and
stack share a machine, and so its monotonic clock.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

from bench.arrivals import arrivals
from bench.first_ways import KNOWN, NEW, RESTED, Way, ways
from bench.postgres import running_postgres
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack

JOBS = 200
WORKERS = 2
RPM = 6_000
SQLITE, POSTGRESQL = DATABASES = ("sqlite", "postgresql")
MOST_MEDIAN = 0.3
MOST_P99 = 1.0
STEPS = {"answered": "answer", "departed": "departure", "first_byte": "first byte", "bare": "a bare call"}


@dataclass(frozen=True)
class Findings:
    """What was found on one database; the load average is that of the minute before."""

    database: str
    load_before: float
    ways: Sequence[Way]

    def seconds(self, step: str, kind: str | None = None) -> list[float]:
        """The seconds to a step of all jobs, or of those of one kind."""
        return [getattr(way, step) for way in self.ways if kind in (None, way.kind)]


def measure(console: Console, jobs: int = JOBS, databases: Sequence[str] = DATABASES) -> Report:
    """Run it: about two minutes for each database with the jobs that the promise names."""
    with console.status("") as status:
        return report([_findings(database, jobs, status) for database in databases])


def report(found: Sequence[Findings]) -> Report:
    """The findings, and what is promised."""
    promises = [promise for one in found for promise in _promises(one)]
    figures = {one.database: _figures(one) for one in found}
    jobs = sum(len(one.ways) for one in found)
    return Report("first_call", [_steps(one) for one in found], {"jobs": jobs, **figures}, promises)


def _findings(database: str, jobs: int, status: Status) -> Findings:
    load = os.getloadavg()[0]
    with (
        bench_folder() as folder,
        arrivals() as provider,
        _url(database, folder) as url,
        running_stack(folder, provider.base_url, workers=WORKERS, database_url=url, rpm=RPM) as stack,
    ):
        status.update(f"first call, {database}: {jobs} jobs")
        return Findings(database, load, list(ways(stack, provider, jobs)))


@contextmanager
def _url(database: str, folder: Path) -> Iterator[str | None]:
    if database == SQLITE:
        yield None
        return
    with running_postgres(folder) as url:
        yield url


def _promises(found: Findings) -> list[Promise]:
    seconds = found.seconds("first_byte")
    typical, slow = median(seconds), _p99(seconds)
    what, measured = "a call leaves after its job came", f"{1000 * typical:.0f} ms"
    return [
        Promise(f"{what}, median, {found.database}", measured, "at most 300 ms", typical <= MOST_MEDIAN),
        Promise(f"{what}, p99, {found.database}", f"{1000 * slow:.0f} ms", "at most 1 s", slow <= MOST_P99),
    ]


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[ceil(0.99 * len(seconds)) - 1]


def _steps(found: Findings) -> Table:
    title = f"{found.database}: ms after POST /v1/jobs, median and p99"
    caption = f"{WORKERS} workers; load average of the machine before: {found.load_before:.1f}"
    table = Table("", "jobs", *STEPS.values(), title=title, caption=caption)
    for name, kind in ((KNOWN, KNOWN), (NEW, NEW), (RESTED, RESTED), ("all", None)):
        columns = [found.seconds(step, kind) for step in STEPS]
        if columns[0]:
            table.add_row(name, str(len(columns[0])), *map(_shown, columns))
    return table


def _shown(seconds: Sequence[float]) -> str:
    return f"{1000 * median(seconds):.1f}, {1000 * _p99(seconds):.1f}"


def _figures(found: Findings) -> dict[str, Any]:
    columns = {step: found.seconds(step) for step in STEPS}
    return {
        "jobs": len(found.ways),
        "load_before": found.load_before,
        "median_seconds": {step: median(seconds) for step, seconds in columns.items()},
        "p99_seconds": {step: _p99(seconds) for step, seconds in columns.items()},
        "of_a_bare_call": median(columns["first_byte"]) / median(columns["bare"]),
    }
