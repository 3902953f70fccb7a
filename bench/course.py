"""The course that all run who are compared: the same calls to the same provider, one after the other."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.status import Status

from bench.baseline import bare_loop
from bench.inputs import write_input
from bench.own_run import OwnRun, own_run
from bench.pace import Pace
from bench.postgres import postgres_server
from bench.provider_process import ProviderProcess
from bench.rig import running_stack

IN_FLIGHT = 400
PROCESSES = 2
SLOWEST_PER_SECOND = 50
SLACK_SECONDS = 60.0


@dataclass
class Course:
    """`jobs` calls to a provider. Everybody's files are in `folder`."""

    folder: Path
    provider: ProviderProcess
    jobs: int
    status: Status
    _runs: int = field(default=0, init=False)

    def source(self, calls: int) -> Path:
        """An input with so many calls."""
        path = self.folder / f"input-{calls}.jsonl"
        if not path.exists():
            write_input(path, calls)
        return path

    def new_folder(self) -> Path:
        """One for a run of its own."""
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        return folder


class Shape(NamedTuple):
    """How headrace is set up: its worker processes and database, and the calls in flight of all of them."""

    key: str
    workers: int
    database: str
    in_flight: int = IN_FLIGHT

    @property
    def name(self) -> str:
        """For people."""
        return f"headrace, {self.database}, {self.workers} worker{'s' if self.workers > 1 else ''}"


SQLITE = Shape("sqlite", PROCESSES, "SQLite")
POSTGRESQL = Shape("postgresql", PROCESSES, "PostgreSQL")
ONE_WORKER = Shape("one-worker", 1, "SQLite")


def run_bare(course: Course) -> Pace:
    """The floor, with as many processes as we have workers."""
    course.status.update(f"the bare loop: {course.jobs:,} calls")
    return bare_loop(
        [course.provider.base_url] * PROCESSES,
        course.source(course.jobs),
        in_flight=IN_FLIGHT,
        timeout_seconds=timeout_seconds(course.jobs),
    )


def run_ours(course: Course, shape: Shape) -> OwnRun:
    """One batch through a new stack with an empty database."""
    course.status.update(f"{shape.name}: starting")
    folder, source = course.new_folder(), course.source(course.jobs)
    url, servers = None, dict[str, int]()
    with ExitStack() as running:
        if shape.database == "PostgreSQL":
            server = running.enter_context(postgres_server(folder))
            url, servers = server.url, {"postgresql": server.process.pid}
        stack = running.enter_context(
            running_stack(
                folder,
                course.provider.base_url,
                workers=shape.workers,
                database_url=url,
                max_in_flight=shape.in_flight,
            )
        )
        return own_run(stack, source, timeout_seconds(course.jobs), course.status, servers)


def timeout_seconds(calls: int) -> float:
    """After so long something is wrong."""
    return calls / SLOWEST_PER_SECOND + SLACK_SECONDS
