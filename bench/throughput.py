"""Throughput: jobs a second and CPU a job, end to end and durable, beside a bare `requests` + gevent loop.

Both make the same calls with as many processes and as many in flight, one after the other, to one simulator.
The bare loop runs before and after, and the ratios are to the mean of the two: it neither stores nor limits
nor retries, so it is the floor. Our CPU time is that of all our processes from the upload to the results
file; the simulator's is stated apart, though it shares the cores. There is no target yet.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.status import Status
from rich.table import Table

from bench.baseline import bare_loop
from bench.cpu import CpuMeter
from bench.inputs import write_input
from bench.own_run import OwnRun, own_run
from bench.pace import Pace
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from headrace.simulator import SimulatorConfig, SimulatorProcess

JOBS = 20_000
WORKERS = 2
LATENCY_MS = 200.0
IN_FLIGHT = 400
SLOWEST_PER_SECOND = 50
SLACK_SECONDS = 60.0
RUNS = 3


@dataclass(frozen=True)
class Findings:
    """Three runs of the same calls. `provider_ms` is the simulator's CPU for one call.

    `load_before` is the machine's load average at the start: well above 0, others disturbed the figures.
    """

    jobs: int
    load_before: float
    bare_before: Pace
    ours: OwnRun
    bare_after: Pace
    provider_ms: float

    @property
    def bare_per_second(self) -> float:
        """Calls a second of the bare loop."""
        return mean((self.bare_before.per_second, self.bare_after.per_second))

    @property
    def bare_cpu_ms(self) -> float:
        """CPU milliseconds of the bare loop for one call."""
        return mean((self.bare_before.cpu_ms, self.bare_after.cpu_ms))


def measure(console: Console, jobs: int = JOBS) -> Report:
    """Run it: about a minute and a half with the jobs that the promise names."""
    config = SimulatorConfig(latency_ms=LATENCY_MS)
    with bench_folder() as folder, SimulatorProcess(config) as simulator, console.status("") as status:
        found = _findings(folder, simulator, jobs, status)
    return report(found)


def report(found: Findings) -> Report:
    """The findings. The one promise so far is that the runs did the same."""
    succeeded, jobs = found.ours.succeeded, found.jobs
    done = Promise("jobs that succeeded", f"{succeeded:,} of {jobs:,}", "all", succeeded == jobs)
    return Report("throughput", [_paces(found), _costs(found)], _figures(found), [done])


def _findings(folder: Path, simulator: SimulatorProcess, jobs: int, status: Status) -> Findings:
    source, seconds = folder / "input.jsonl", jobs / SLOWEST_PER_SECOND + SLACK_SECONDS
    write_input(source, jobs)
    load = os.getloadavg()[0]
    meter = CpuMeter({"simulator": simulator.pid})

    def bare(when: str) -> Pace:
        status.update(f"the bare loop, {when} ours: {jobs:,} calls")
        return bare_loop(
            simulator.base_url, source, in_flight=IN_FLIGHT, processes=WORKERS, timeout_seconds=seconds
        )

    before = bare("before")
    with running_stack(folder, simulator.base_url, workers=WORKERS, max_in_flight=IN_FLIGHT) as stack:
        ours = own_run(stack, source, seconds, status)
    after = bare("after")
    return Findings(jobs, load, before, ours, after, 1000 * meter.spent()["simulator"] / (RUNS * jobs))


def _paces(found: Findings) -> Table:
    title = f"{found.jobs:,} jobs, {LATENCY_MS:g} ms, {WORKERS} processes, {IN_FLIGHT} in flight"
    caption = f"load average of the machine before: {found.load_before:.1f}"
    table = Table("", "jobs/s", "of bare", "CPU ms a job", "of bare", title=title, caption=caption)
    for name, pace in (
        ("bare loop, before", found.bare_before),
        ("bare loop, after", found.bare_after),
        ("headrace, first departure to last landing", found.ours.calls),
        ("headrace, upload to results file", found.ours.whole),
    ):
        speed, cost = pace.per_second / found.bare_per_second, pace.cpu_ms / found.bare_cpu_ms
        table.add_row(name, f"{pace.per_second:,.0f}", f"{speed:.2f}", f"{pace.cpu_ms:.2f}", f"{cost:.2f}")
    return table


def _costs(found: Findings) -> Table:
    table = Table("CPU ms a job", *found.ours.cpu_by_part, "simulator")
    parts = [f"{1000 * seconds / found.jobs:.3f}" for seconds in found.ours.cpu_by_part.values()]
    table.add_row("", *parts, f"{found.provider_ms:.3f}")
    return table


def _figures(found: Findings) -> dict[str, object]:
    paces = {
        "bare_before": found.bare_before,
        "bare_after": found.bare_after,
        "headrace_calls": found.ours.calls,
        "headrace_whole": found.ours.whole,
    }
    return {
        "jobs": found.jobs,
        "load_before": found.load_before,
        "paces": {name: _pace_figures(pace) for name, pace in paces.items()},
        "speed_of_bare": found.ours.calls.per_second / found.bare_per_second,
        "cpu_of_bare": found.ours.calls.cpu_ms / found.bare_cpu_ms,
        "cpu_seconds_by_part": found.ours.cpu_by_part,
        "simulator_cpu_ms": found.provider_ms,
    }


def _pace_figures(pace: Pace) -> dict[str, float]:
    return asdict(pace) | {"per_second": pace.per_second, "cpu_ms": pace.cpu_ms}
