"""Throughput: jobs a second and CPU a job, end to end and durable, beside the loops that people write.

The bare `requests` + gevent loop neither stores nor limits nor retries: it is the floor of what a call costs.
All make the same calls to one cheap provider, one after the other, in several rounds; each ratio is to the
baseline of the same round, and the median of the rounds counts. Our CPU time is that of all our processes,
the database's among them, from the upload to the results file. The provider shares the cores; its cost is
stated. A rival makes fewer calls, with as many in flight as serve it best of those that were tried.
"""

import os
from collections.abc import Collection, Sequence

from rich.console import Console

from bench.contest import Findings
from bench.course import ONE_WORKER, POSTGRESQL, SQLITE, Course, Shape, run_bare, run_ours
from bench.pace import Pace
from bench.provider_process import ProviderProcess
from bench.report import Report
from bench.rig import bench_folder
from bench.rivals import RIVALS, Rival
from bench.throughput_report import report

JOBS = 20_000
ROUNDS = 3
LATENCY_MS = 200.0
SHAPES = (SQLITE, POSTGRESQL, ONE_WORKER)
KEYS = tuple(each.key for each in (*SHAPES, *RIVALS))
TRIAL_RARER = 2  # than in a round
FEWEST_CALLS = 10


def measure(console: Console, jobs: int = JOBS, rounds: int = ROUNDS, only: Collection[str] = ()) -> Report:
    """Run it: a quarter of an hour with the figures that the promise names.

    `only` has the keys of those that are to run beside the bare loop; empty, all that are installed do.
    """
    found = Findings(jobs, os.getloadavg()[0])
    shapes = [shape for shape in SHAPES if not only or shape.key in only]
    rivals = [rival for rival in RIVALS if not only or rival.key in only]
    found.left_out = [rival.name for rival in rivals if not rival.is_installed()]
    rivals = [rival for rival in rivals if rival.is_installed()]
    with (
        bench_folder() as folder,
        ProviderProcess(latency_ms=LATENCY_MS) as provider,
        console.status("") as status,
    ):
        course = Course(folder, provider, jobs, status)
        for rival in rivals:
            found.best_in_flight[rival.name] = _best_in_flight(course, rival)
        for _ in range(rounds):
            _round(console, course, found, shapes, rivals)
    return report(found)


def _round(
    console: Console, course: Course, found: Findings, shapes: Sequence[Shape], rivals: Sequence[Rival]
) -> None:
    def tell(name: str, pace: Pace) -> None:
        cost = f"{pace.cpu_ms:.3f} ms of CPU, {pace.cpu_ms / found.bare[-1].cpu_ms:.2f} x bare"
        console.print(f"{name}: {pace.per_second:,.0f} a second, {cost}", highlight=False)

    before = course.provider.seen()
    found.bare.append(run_bare(course))
    after = course.provider.seen()
    found.provider_us.append(1e6 * (after.cpu_seconds - before.cpu_seconds) / (after.calls - before.calls))
    tell("the bare loop", found.bare[-1])
    for shape in shapes:
        run = run_ours(course, shape)
        found.ours.setdefault(shape.name, []).append(run)
        tell(shape.name, run.calls)
    for rival in rivals:
        pace = _run(course, rival, _calls(course, rival.rarer), found.best_in_flight[rival.name])
        found.rivals.setdefault(rival.name, []).append(pace)
        tell(rival.name, pace)


def _best_in_flight(course: Course, rival: Rival) -> int:
    """The one of those that it is tried with that makes it fastest."""
    calls = _calls(course, rival.rarer * TRIAL_RARER)
    paces = {tried: _run(course, rival, calls, tried).per_second for tried in rival.in_flight}
    return max(paces, key=paces.__getitem__)


def _run(course: Course, rival: Rival, calls: int, in_flight: int) -> Pace:
    course.status.update(f"{rival.name}: {calls:,} calls, {in_flight} in flight")
    return rival.run(course, course.source(calls), in_flight)


def _calls(course: Course, rarer: int) -> int:
    return max(FEWEST_CALLS, course.jobs // rarer)
