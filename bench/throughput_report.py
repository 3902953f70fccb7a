"""What `bench.throughput` tells: tables, figures, and what is promised of them."""

from collections.abc import Iterable
from dataclasses import asdict
from statistics import median

from rich.table import Table

from bench.contest import Findings
from bench.course import IN_FLIGHT, ONE_WORKER, POSTGRESQL, PROCESSES, SQLITE
from bench.own_run import OwnRun
from bench.pace import Pace
from bench.report import Promise, Report
from bench.rivals import RIVALS

BARE = f"bare loop, {PROCESSES} processes"
MOST_CPU = {SQLITE.name: 1.5, POSTGRESQL.name: 1.8}
LEAST_PER_SECOND = 1_100
FEWEST_JOBS = 5_000  # of fewer, the start and the end are most of what a run shows


def report(found: Findings) -> Report:
    """The findings, and what is promised."""
    done = Promise(
        "jobs that succeeded, in the worst run",
        f"{found.succeeded:,} of {found.jobs:,}",
        "all",
        found.succeeded == found.jobs,
    )
    promises = [done, *(_promises(found) if found.jobs >= FEWEST_JOBS else ())]
    tables = [_paces(found), *([_parts(found)] if found.ours else ())]
    return Report("throughput", tables, _figures(found), promises)


def _promises(found: Findings) -> Iterable[Promise]:
    for name, most in MOST_CPU.items():
        if name in found.ours:
            cost = found.cpu_of_bare(name)
            yield Promise(f"CPU a job: {name}", f"{cost:.2f} x bare", f"at most {most} x", cost <= most)
    ours = [name for name in MOST_CPU if name in found.ours]
    for rival in RIVALS:
        if rival.times and ours and rival.name in found.rivals:
            times = min(found.times_as_fast(name, rival.name) for name in ours)
            what = f"jobs/s beside {rival.name}, on the slower database"
            yield Promise(what, f"{times:.1f} x", f"at least {rival.times} x", times >= rival.times)
    if ONE_WORKER.name in found.ours:
        speed = found.per_second(ONE_WORKER.name)
        what = f"jobs/s: {ONE_WORKER.name}"
        yield Promise(what, f"{speed:,.0f}", f"at least {LEAST_PER_SECOND:,}", speed >= LEAST_PER_SECOND)


def _paces(found: Findings) -> Table:
    columns = ("in flight", "jobs/s", "of bare", "CPU ms a job", "of bare", "upload to results")
    title, caption = f"{found.jobs:,} jobs, the median of {len(found.bare)} rounds", _caption(found)
    table = Table("", *columns, title=title, caption=caption)
    bare = (median(pace.per_second for pace in found.bare), median(pace.cpu_ms for pace in found.bare))
    table.add_row(BARE, str(IN_FLIGHT), f"{bare[0]:,.0f}", "1.00", f"{bare[1]:.2f}", "1.00", "")
    for name in (*found.ours, *found.rivals):
        whole = found.ours.get(name)
        table.add_row(
            name,
            str(found.best_in_flight.get(name, IN_FLIGHT)),
            f"{found.per_second(name):,.0f}",
            f"{found.speed_of_bare(name):.2f}",
            f"{median(pace.cpu_ms for pace in found.paces(name)):.2f}",
            f"{found.cpu_of_bare(name):.2f}",
            f"{median(run.whole.seconds for run in whole):.1f} s" if whole else "",
        )
    return table


def _caption(found: Findings) -> str:
    us = median(found.provider_us)
    told = [
        f"load average of the machine before: {found.load_before:.1f}",
        f"the provider spends {us:.0f} us of CPU a call, and could carry {1e6 / us:,.0f} a second",
    ]
    if found.left_out:
        told.append(f"not installed: {', '.join(found.left_out)}")
    return "; ".join(told)


def _parts(found: Findings) -> Table:
    names = dict.fromkeys(part for runs in found.ours.values() for part in runs[0].cpu_by_part)
    table = Table("CPU ms a job", *names)
    for name, runs in found.ours.items():
        spent = [[run.cpu_by_part.get(part, 0.0) for run in runs] for part in names]
        table.add_row(name, *(f"{1000 * median(seconds) / found.jobs:.3f}" for seconds in spent))
    return table


def _figures(found: Findings) -> dict[str, object]:
    contestants = (*found.ours, *found.rivals)
    return {
        "jobs": found.jobs,
        "load_before": found.load_before,
        "provider_cpu_us": found.provider_us,
        "left_out": found.left_out,
        "best_in_flight": found.best_in_flight,
        "per_second": {name: found.per_second(name) for name in contestants},
        "speed_of_bare": {name: found.speed_of_bare(name) for name in contestants},
        "cpu_of_bare": {name: found.cpu_of_bare(name) for name in contestants},
        "bare": [_pace(pace) for pace in found.bare],
        "ours": {name: [_own_run(run) for run in runs] for name, runs in found.ours.items()},
        "rivals": {name: [_pace(pace) for pace in paces] for name, paces in found.rivals.items()},
    }


def _own_run(run: OwnRun) -> dict[str, object]:
    parts = {"succeeded": run.succeeded, "cpu_seconds_by_part": run.cpu_by_part}
    return {"calls": _pace(run.calls), "whole": _pace(run.whole)} | parts


def _pace(pace: Pace) -> dict[str, float]:
    return asdict(pace) | {"per_second": pace.per_second, "cpu_ms": pace.cpu_ms}
