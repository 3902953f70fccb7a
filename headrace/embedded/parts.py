"""The parts of a stack: what each is started with, and what is done when one has died."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from headrace.db import Database
from headrace.embedded.valkey import Valkey
from headrace.ids import new_id
from headrace.store import workers

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
API_GRACE_SECONDS = 5
CELERY = (sys.executable, "-m", "celery", "-A", "worker")


class Part:
    """A program to keep running. Its name is that of its log."""

    def __init__(
        self, name: str, command: tuple[str, ...], environment: Mapping[str, str], stdin: str = ""
    ) -> None:
        self.name = name
        self.command = command
        self.stdin = stdin
        self._environment = environment

    def environment(self) -> dict[str, str]:
        """For its next start."""
        return dict(self._environment)

    def has_died(self) -> None:
        """What is to be done about it, besides starting it again."""


class WorkerPart(Part):
    """A Celery worker. Each of its lives has an id of its own."""

    def __init__(
        self, name: str, command: tuple[str, ...], environment: Mapping[str, str], database: Database
    ) -> None:
        super().__init__(name, command, environment)
        self._database = database
        self._worker_id = ""

    def environment(self) -> dict[str, str]:
        self._worker_id = new_id("worker_")
        return super().environment() | {"HEADRACE_WORKER_ID": self._worker_id}

    def has_died(self) -> None:
        """Its jobs are orphans from now on: nobody waits until its heartbeat is missed."""
        try:
            with self._database.begin() as session:
                workers.retire(session, [self._worker_id])
        except SQLAlchemyError as error:
            log.warning("%s is not retired (%s): the sweep will notice", self.name, type(error).__name__)


def valkey(server: Valkey, environment: Mapping[str, str]) -> Part:
    """The broker, and where the limits are kept."""
    return Part("valkey", (server.program, "-"), environment, stdin=server.configuration)


def api(port: int, environment: Mapping[str, str]) -> Part:
    """The submission API, one process."""
    uvicorn = (sys.executable, "-m", "uvicorn", "api:app", "--http", "api.protocol:Protocol")
    address = ("--host", HOST, "--port", str(port))
    quiet = ("--no-access-log", "--timeout-graceful-shutdown", str(API_GRACE_SECONDS))
    return Part("api", uvicorn + address + quiet, environment)


def beat(schedule: Path, log_level: str, environment: Mapping[str, str]) -> Part:
    """The clock of the sweep."""
    # -q: Celery says hello on standard output, and would die of it when the disk is full.
    return Part("beat", (*CELERY, "-q", "beat", "--schedule", str(schedule), "-l", log_level), environment)


def worker(number: int, log_level: str, environment: Mapping[str, str], database: Database) -> WorkerPart:
    """One of the processes that call the provider."""
    name = f"worker-{number}"
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    command = (*CELERY, "worker", "-P", "gevent", "-n", f"{name}@%h", "-l", log_level, *alone)
    return WorkerPart(name, command, environment, database)
