"""Scale out: more worker processes, the same number of slow calls in flight over all of them.

No promise, but the curve: with a provider that takes its time, the calls in flight say how many jobs a second
there can be, and a worker process how near one gets. One process also tries to hold several thousand.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.course import Course, Shape, run_ours
from bench.own_run import OwnRun
from bench.provider_process import ProviderProcess
from bench.report import Promise, Report
from bench.rig import bench_folder

JOBS = 12_000
ROUNDS = 1
LATENCY_MS = 2_000.0
IN_FLIGHT = 2_000
MANY_IN_FLIGHT = 3_000
SHAPES = (
    *(Shape("", workers, "SQLite", IN_FLIGHT) for workers in (1, 2, 4)),
    Shape("", 1, "SQLite", MANY_IN_FLIGHT),
)


@dataclass(frozen=True)
class Step:
    """One run of a shape. `most_in_flight` is the most calls that its provider saw open at once."""

    shape: Shape
    run: OwnRun
    most_in_flight: int

    @property
    def ceiling_per_second(self) -> float:
        """The calls in flight allow no more."""
        return self.shape.in_flight / (LATENCY_MS / 1000)


def measure(console: Console, jobs: int = JOBS, rounds: int = ROUNDS) -> Report:
    """Run it: about two minutes a round with the jobs that we state it with."""
    load, steps = os.getloadavg()[0], list[Step]()
    for _ in range(rounds):
        steps += (_step(console, shape, jobs) for shape in SHAPES)
    return report(jobs, load, steps)


def report(jobs: int, load_before: float, steps: Sequence[Step]) -> Report:
    """The curve. That all jobs succeed is the one promise."""
    fewest = min(step.run.succeeded for step in steps)
    done = Promise("jobs that succeeded, in the worst run", f"{fewest:,} of {jobs:,}", "all", fewest == jobs)
    figures = {"jobs": jobs, "load_before": load_before, "steps": [_figures(step) for step in steps]}
    return Report("scale", [_curve(jobs, load_before, steps)], figures, [done])


def _step(console: Console, shape: Shape, jobs: int) -> Step:
    with (
        bench_folder() as folder,
        ProviderProcess(latency_ms=LATENCY_MS) as provider,
        console.status("") as status,
    ):
        run = run_ours(Course(folder, provider, jobs, status), shape)
        return Step(shape, run, provider.seen().most_in_flight)


def _curve(jobs: int, load_before: float, steps: Sequence[Step]) -> Table:
    title = f"{jobs:,} jobs, {LATENCY_MS / 1000:g} s"
    caption = f"load average of the machine before: {load_before:.1f}"
    columns = ("may be in flight", "most seen", "jobs/s", "at most", "CPU ms a job")
    table = Table("workers", *columns, title=title, caption=caption)
    for shape in SHAPES:
        mine = [step for step in steps if step.shape == shape]
        table.add_row(
            str(shape.workers),
            f"{shape.in_flight:,}",
            f"{max(step.most_in_flight for step in mine):,}",
            f"{median(step.run.calls.per_second for step in mine):,.0f}",
            f"{mine[0].ceiling_per_second:,.0f}",
            f"{median(step.run.calls.cpu_ms for step in mine):.2f}",
        )
    return table


def _figures(step: Step) -> dict[str, object]:
    shape = {"workers": step.shape.workers, "in_flight": step.shape.in_flight}
    return shape | {"most_in_flight": step.most_in_flight} | asdict(step.run)
