"""Reports: how long the questions take that people ask of usage and cost, over a million jobs.

A ledger of 90 days is filled in bulk, and its sums by hour are made from it. Each question is put to the
sums fifteen times, as the API and `headrace usage` put it, and once to the ledger itself, whose answer must
be the same. PostgreSQL has counted what its tables hold, as it does by itself now and then.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table
from sqlalchemy import func, select
from sqlmodel import Session

from bench.filled import analyse
from bench.ledger import fill
from bench.postgres import running_postgres
from bench.questions import Answer, Question, of_ledger, of_sums, questions
from bench.report import Promise, Report
from bench.rig import bench_folder
from headrace.db import Database
from headrace.store import usage_hours
from headrace.store.tables import usage_hours as sums

JOBS = 1_000_000
REPEATS = 15
MOST_MS = 100.0
LEAST_TIMES = 10.0
KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Asked:
    """How long a question took, put to the sums and to the ledger, and whether the answers were the same."""

    name: str
    groups: int
    ms: list[float]
    ledger_ms: float
    is_same: bool

    @property
    def times(self) -> float:
        """How much longer the ledger takes."""
        return self.ledger_ms / median(self.ms)


@dataclass
class Findings:
    """What was found on one kind of database. `unlike` counts sums that were not those of the ledger."""

    kind: str
    load_before: float
    seconds: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    unlike: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def slowest(self) -> Asked:
        """The question that takes longest."""
        return max(self.asked, key=lambda one: median(one.ms))

    @property
    def least(self) -> Asked:
        """The question for which the sums help least."""
        return min(self.asked, key=lambda one: one.times)


def measure(console: Console, jobs: int = JOBS, at_once: int = 1) -> Report:
    """Run it: about three minutes with the jobs that the promise names. More batches at once: more sums."""
    with bench_folder() as folder, console.status("") as status:
        return report(jobs, [_findings(kind, jobs, at_once, folder, status) for kind in KINDS])


def report(jobs: int, found: list[Findings]) -> Report:
    """The findings, and what is promised."""
    promises = [promise for one in found for promise in _promises(one)]
    figures = {one.kind: _figures(one) for one in found}
    return Report("reports", [_table(jobs, one) for one in found], {"jobs": jobs, **figures}, promises)


def _findings(kind: str, jobs: int, at_once: int, folder: Path, status: Status) -> Findings:
    found = Findings(kind, os.getloadavg()[0])
    with _database(kind, folder) as db:
        status.update(f"{kind}: filling {jobs:,} jobs")
        began = time.perf_counter()
        ledger = fill(db, jobs, at_once)
        found.seconds["fill"] = time.perf_counter() - began
        status.update(f"{kind}: making the sums")
        _make_sums(db, found)
        analyse(db)
        for question in questions(ledger):
            status.update(f"{kind}: {question.name}")
            found.asked.append(_ask(db, question))
    return found


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[Database]:
    if kind == "sqlite":
        with closing(Database(f"sqlite:///{folder / 'reports.db'}")) as db:
            yield db
        return
    with running_postgres(folder) as url, closing(Database(url)) as db:
        yield db


def _make_sums(db: Database, found: Findings) -> None:
    began = time.perf_counter()
    with db.begin() as session:
        usage_hours.rebuild(session)
    rebuilt = time.perf_counter()
    with db.read() as session:
        found.unlike = len(usage_hours.differences(session))
        compared = time.perf_counter()
        found.rows = session.execute(select(func.count()).select_from(sums)).scalar_one()
    found.seconds |= {"rebuild": rebuilt - began, "compare": compared - rebuilt}


def _ask(db: Database, question: Question) -> Asked:
    asked = [_timed(db, of_sums, question) for _ in range(REPEATS)]
    ledger_ms, true = _timed(db, of_ledger, question)
    is_same = all(answer == true for _, answer in asked)
    return Asked(question.name, len(true), [ms for ms, _ in asked], ledger_ms, is_same)


def _timed(
    db: Database, ask: Callable[[Session, Question], Answer], question: Question
) -> tuple[float, Answer]:
    began = time.perf_counter()
    with db.read() as session:
        answer = ask(session, question)
    return 1000 * (time.perf_counter() - began), answer


def _promises(found: Findings) -> list[Promise]:
    slowest, least = found.slowest, found.least
    typical, kind = median(slowest.ms), found.kind
    wrong = [one.name for one in found.asked if not one.is_same]
    return [
        Promise(
            f"{kind}: the slowest report, {slowest.name}, median",
            f"{typical:.0f} ms",
            f"below {MOST_MS:g} ms",
            typical < MOST_MS,
        ),
        Promise(
            f"{kind}: the ledger takes longer, at least for {least.name}",
            f"{least.times:.0f} times",
            f"at least {LEAST_TIMES:g} times",
            least.times >= LEAST_TIMES,
        ),
        Promise(f"{kind}: answers unlike the ledger's", ", ".join(wrong) or "none", "none", not wrong),
        Promise(f"{kind}: sums unlike the ledger's", f"{found.unlike}", "0", found.unlike == 0),
    ]


def _table(jobs: int, found: Findings) -> Table:
    seconds = ", ".join(f"{name} {took:.1f} s" for name, took in found.seconds.items())
    table = Table(
        *("", "rows", "median ms", "worst ms", "ledger ms", "times"),
        title=f"{found.kind}: {jobs:,} jobs, {found.rows:,} sums",
        caption=f"{seconds}\nload average of the machine before: {found.load_before:.1f}",
    )
    for one in found.asked:
        times = (f"{ms:,.1f}" for ms in (median(one.ms), max(one.ms), one.ledger_ms))
        table.add_row(one.name, f"{one.groups:,}", *times, f"{one.times:.0f}")
    return table


def _figures(found: Findings) -> dict[str, Any]:
    return {
        "load_before": found.load_before,
        "seconds": found.seconds,
        "sums": found.rows,
        "unlike": found.unlike,
        "questions": {
            one.name: {
                "rows": one.groups,
                "median_ms": median(one.ms),
                "worst_ms": max(one.ms),
                "ledger_ms": one.ledger_ms,
                "is_same": one.is_same,
            }
            for one in found.asked
        },
    }
