"""Flat in backlog: what a slice, a poll and a sweep cost where much waits, beside where little does.

Four databases of each kind: a thousand queued jobs in one batch; a million in one batch; a thousand batches
that share a lane, each job of a slice another batch's; a thousand batches over a hundred lanes. A slice is a
hundred jobs, claimed, departed and landed by the verbs of the store, as a worker does it; a poll is
`GET /v1/batches/{id}` over HTTP; a sweep has every duty due. The databases take turns, one of each a round,
and what counts is the median. PostgreSQL starts with the statistics that the filling left, and is told to
count anew half way.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from redis import Redis
from rich.console import Console
from rich.status import Status
from rich.table import Table
from sqlalchemy import make_url, text
from sqlmodel import create_engine

from bench.backlog_actions import Polls, Slices, Sweeps, api_settings, hints_to
from bench.filled import Filled, Load, analyse, fill
from bench.postgres import running_postgres
from bench.report import Promise, Report
from bench.rig import bench_folder
from headrace.db import Database
from headrace.limits import connect
from tests import servers
from tests.api_process import ApiProcess

JOBS = 1_000_000
BATCHES = 1000
LANES = 100
FEW_JOBS = 1000
JOBS_A_BATCH = 100
ROUNDS = 200
MOST_BY_JOBS = 1.3
MOST_BY_BATCHES = 2.0
KINDS = ("sqlite", "postgresql")
ACTIONS = ("slice", "poll", "sweep")


class Setting(NamedTuple):
    """A load, and how much more than with the first one anything may cost."""

    name: str
    load: Load
    most: float


class Subject(NamedTuple):
    """A filled database and what is done over it."""

    setting: Setting
    filled: Filled
    actions: dict[str, Callable[[], float]]


@dataclass(frozen=True)
class Costs:
    """Seconds of every repetition of each action over one database."""

    setting: Setting
    seconds: dict[str, list[float]] = field(default_factory=lambda: {action: [] for action in ACTIONS})

    def median_ms(self, action: str) -> float:
        """Of all repetitions."""
        return 1000 * median(self.seconds[action])


@dataclass(frozen=True)
class Findings:
    """The costs by kind of database, each in the order of the settings, the least load first."""

    load_before: float
    costs: dict[str, list[Costs]]

    def times(self, kind: str, costs: Costs, action: str) -> float:
        """How many times what it costs with the least load."""
        return costs.median_ms(action) / self.costs[kind][0].median_ms(action)


def measure(
    console: Console, jobs: int = JOBS, batches: int = BATCHES, lanes: int = LANES, rounds: int = ROUNDS
) -> Report:
    """Run it: about five minutes with the figures that the promise names."""
    settings = _settings(jobs, batches, lanes)
    load, costs = os.getloadavg()[0], dict[str, list[Costs]]()
    with bench_folder() as folder, servers.valkey() as valkey, console.status("") as status:
        for kind in KINDS:
            with _subjects(kind, settings, folder / kind, valkey.url, status) as subjects:
                costs[kind] = _costs(kind, subjects, rounds, status)
    return report(Findings(load, costs))


def report(found: Findings) -> Report:
    """The findings and the promises: 1.3 times over a thousand times the jobs, twice over many batches."""
    promises = [_promise(found, kind, costs) for kind in found.costs for costs in found.costs[kind][1:]]
    return Report("backlog", [_table(found, kind) for kind in found.costs], _figures(found), promises)


def _settings(jobs: int, batches: int, lanes: int) -> list[Setting]:
    few, many = min(jobs, FEW_JOBS), batches * JOBS_A_BATCH
    return [
        Setting(f"{few:,} jobs", Load(few), 1.0),
        Setting(f"{jobs:,} jobs", Load(jobs), MOST_BY_JOBS),
        Setting(f"{batches:,} batches", Load(many, batches), MOST_BY_BATCHES),
        Setting(f"{batches:,} batches in {lanes:,} lanes", Load(many, batches, lanes), MOST_BY_BATCHES),
    ]


@contextmanager
def _subjects(
    kind: str, settings: Sequence[Setting], folder: Path, redis_url: str, status: Status
) -> Iterator[list[Subject]]:
    """The databases, filled, each with an API of its own."""
    folder.mkdir()
    with ExitStack() as cleanup:
        server = cleanup.enter_context(running_postgres(folder)) if kind == "postgresql" else None
        cleanup.enter_context(hints_to(redis_url))
        redis = cleanup.enter_context(connect(redis_url))
        subjects = []
        for number, setting in enumerate(settings):
            status.update(f"{kind}: filling {setting.name}")
            url = _new_database(server, number) if server else f"sqlite:///{folder / f'{number}.db'}"
            db = Database(url)
            cleanup.callback(db.close)
            filled = fill(db, setting.load)
            subjects.append(_subject(setting, filled, redis, redis_url, folder, cleanup))
        yield subjects


def _new_database(server_url: str, number: int) -> str:
    name = f"bench_{number}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def _subject(
    setting: Setting, filled: Filled, redis: Redis, redis_url: str, folder: Path, cleanup: ExitStack
) -> Subject:
    api = ApiProcess(api_settings(filled, redis_url, folder), filled.secret, "", None)
    cleanup.callback(api.kill)
    slices, polls = Slices(filled), Polls(api.url, filled.secret)
    cleanup.callback(polls.close)
    sweeps = Sweeps(filled, redis, folder / "files")
    return Subject(setting, filled, dict(zip(ACTIONS, (slices.run, polls.run, sweeps.run), strict=True)))


def _costs(kind: str, subjects: Sequence[Subject], rounds: int, status: Status) -> list[Costs]:
    costs = [Costs(subject.setting) for subject in subjects]
    for subject in subjects:
        for action in subject.actions.values():
            action()  # the first of each prepares what all others share
    for round_ in range(rounds):
        status.update(f"{kind}: round {round_ + 1} of {rounds}")
        if round_ == rounds // 2:
            for subject in subjects:
                analyse(subject.filled.db)
        # there and back, so that nobody always comes behind the same one
        for place in range(len(subjects))[:: 1 if round_ % 2 else -1]:
            for name, action in subjects[place].actions.items():
                costs[place].seconds[name].append(action())
    return costs


def _promise(found: Findings, kind: str, costs: Costs) -> Promise:
    times = {action: found.times(kind, costs, action) for action in ACTIONS}
    measured = ", ".join(f"{action} {ratio:.2f}" for action, ratio in times.items())
    most = costs.setting.most
    what = f"{kind}: {costs.setting.name}, beside {found.costs[kind][0].setting.name}"
    return Promise(what, measured, f"at most {most:g}", max(times.values()) <= most)


def _table(found: Findings, kind: str) -> Table:
    caption = f"load average of the machine before: {found.load_before:.1f}"
    columns = (column for action in ACTIONS for column in (f"{action} ms", "times"))
    table = Table("", *columns, title=f"{kind}: medians", caption=caption)
    for costs in found.costs[kind]:
        cells = (
            cell
            for action in ACTIONS
            for cell in (f"{costs.median_ms(action):.2f}", f"{found.times(kind, costs, action):.2f}")
        )
        table.add_row(costs.setting.name, *cells)
    return table


def _figures(found: Findings) -> dict[str, object]:
    return {
        "load_before": found.load_before,
        "median_ms": {
            kind: {
                one.setting.name: {action: _medians(one.seconds[action]) for action in ACTIONS}
                for one in costs
            }
            for kind, costs in found.costs.items()
        },
    }


def _medians(seconds: Sequence[float]) -> dict[str, float]:
    """Of all, and of those before and after PostgreSQL counted anew."""
    half = len(seconds) // 2
    parts = {"all": seconds, "first_half": seconds[:half] or seconds, "second_half": seconds[half:]}
    return {name: 1000 * median(part) for name, part in parts.items()}
