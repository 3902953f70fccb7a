"""Scale out: more worker processes, the same number of slow calls in flight over all of them.

The curve is stated: with a provider that takes its time, the calls in flight say how many jobs a second there
can be, and a worker process how near one gets. At last one process holds 3,000 calls open, of a provider that
takes longer: the more of them there are, the longer a core needs until all have begun.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.course import Course, Shape, run_ours
from bench.own_run import OwnRun
from bench.provider_process import ProviderProcess
from bench.report import Promise, Report
from bench.rig import bench_folder

JOBS = 30_000
ROUNDS = 1
IN_FLIGHT = 2_000
MANY_IN_FLIGHT = 3_000


class Setting(NamedTuple):
    """A shape, and the seconds that the provider takes."""

    shape: Shape
    latency_seconds: float

    @property
    def ceiling_per_second(self) -> float:
        """The calls in flight allow no more."""
        return self.shape.in_flight / self.latency_seconds


MANY = Setting(Shape("", 1, "SQLite", MANY_IN_FLIGHT), 6.0)
SETTINGS = (*(Setting(Shape("", workers, "SQLite", IN_FLIGHT), 2.0) for workers in (1, 2, 4)), MANY)


@dataclass(frozen=True)
class Step:
    """One run of a setting. `most_in_flight` is the most calls that its provider saw open at once."""

    setting: Setting
    run: OwnRun
    most_in_flight: int


def measure(console: Console, jobs: int = JOBS, rounds: int = ROUNDS) -> Report:
    """Run it: about four minutes a round with the jobs that we state it with."""
    load, steps = os.getloadavg()[0], list[Step]()
    for _ in range(rounds):
        steps += (_step(console, setting, jobs) for setting in SETTINGS)
    return report(jobs, load, steps)


def report(jobs: int, load_before: float, steps: Sequence[Step]) -> Report:
    """The curve, and the promises: all jobs succeed, and one process holds as many calls as it may."""
    fewest = min(step.run.succeeded for step in steps)
    done = Promise("jobs that succeeded, in the worst run", f"{fewest:,} of {jobs:,}", "all", fewest == jobs)
    most = max(step.most_in_flight for step in steps if step.setting is MANY)
    wanted = min(jobs, MANY_IN_FLIGHT)
    held = Promise("calls open in one process", f"{most:,}", f"{wanted:,}", most >= wanted)
    figures = {"jobs": jobs, "load_before": load_before, "steps": [_figures(step) for step in steps]}
    return Report("scale", [_curve(jobs, load_before, steps)], figures, [done, held])


def _step(console: Console, setting: Setting, jobs: int) -> Step:
    with (
        bench_folder() as folder,
        ProviderProcess(latency_ms=1000 * setting.latency_seconds) as provider,
        console.status("") as status,
    ):
        run = run_ours(Course(folder, provider, jobs, status), setting.shape)
        return Step(setting, run, provider.seen().most_in_flight)


def _curve(jobs: int, load_before: float, steps: Sequence[Step]) -> Table:
    title = f"{jobs:,} jobs"
    caption = f"load average of the machine before: {load_before:.1f}"
    columns = ("s a call", "may be in flight", "most seen", "jobs/s", "at most", "CPU ms a job")
    table = Table("workers", *columns, title=title, caption=caption)
    for setting in SETTINGS:
        mine = [step for step in steps if step.setting is setting]
        table.add_row(
            str(setting.shape.workers),
            f"{setting.latency_seconds:g}",
            f"{setting.shape.in_flight:,}",
            f"{max(step.most_in_flight for step in mine):,}",
            f"{median(step.run.calls.per_second for step in mine):,.0f}",
            f"{setting.ceiling_per_second:,.0f}",
            f"{median(step.run.calls.cpu_ms for step in mine):.2f}",
        )
    return table


def _figures(step: Step) -> dict[str, object]:
    shape, latency_seconds = step.setting
    setting = {"workers": shape.workers, "in_flight": shape.in_flight, "latency_seconds": latency_seconds}
    return setting | {"most_in_flight": step.most_in_flight} | asdict(step.run)
