"""The whole of headrace on one machine: started, ready, stopped."""

import os
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from sqlmodel import Session

from headrace.client import Client
from headrace.config import load_config
from headrace.db import Database
from headrace.embedded import parts
from headrace.embedded.child import Child
from headrace.embedded.environment import home, settled, variables
from headrace.embedded.folder import DataFolder
from headrace.embedded.parts import Part
from headrace.embedded.supervisor import Rank, Supervisor
from headrace.embedded.valkey import new_valkey
from headrace.errors import ConfigurationError, Unavailable
from headrace.migrations import upgrade
from headrace.settings import Settings
from headrace.store import workers

READY_SECONDS = 60.0
LOOK_SECONDS = 0.1
WAIT_SECONDS = 1.0
API_PATIENCE_SECONDS = parts.API_GRACE_SECONDS + 5.0
WORKER_MARGIN_SECONDS = 5.0
VALKEY_PATIENCE_SECONDS = 5.0


class Stack:
    """Valkey, API, workers and beat as children of this process, which they do not outlive.

    `with Stack(Settings(data_dir=folder)) as stack: stack.wait_ready(); call(stack.base_url, stack.api_key)`.
    Settings given explicitly go before the environment, in the children too. `base_url` is without /v1.
    """

    def __init__(
        self, settings: Settings | None = None, *, port: int = 0, workers: int | None = None
    ) -> None:
        """`port` 0 is any free one; `workers` is how many processes, one for each core unless given."""
        self.settings = settled(settings or Settings())
        self.folder = DataFolder(self.settings.data_dir)
        self.workers = workers or cores()
        self.base_url = ""
        self.api_key = ""
        self.stopping = False
        self._port = port
        self._database: Database | None = None
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all parts; returns before they are ready. Raises ConfigurationError when they cannot be."""
        load_config(self.settings)
        self.folder.claim()
        try:
            port = _bindable(self._port)
            self.base_url = f"http://{parts.HOST}:{port}"
            database = self._database = Database(self.settings.database)
            self._prepare(database)
            self._supervisor = Supervisor(self._ranks(port, database))
            self._supervisor.start()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Returns when work can be done. Raises Unavailable with the reason if that takes too long."""
        deadline = time.monotonic() + timeout_seconds
        client = Client(self.base_url, self.api_key)
        try:
            while reason := client.not_ready():
                self.check()
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"not ready after {timeout_seconds:g} s: {reason}; see {self.folder.logs}"
                    )
                time.sleep(LOOK_SECONDS)
        finally:
            client.close()

    def check(self) -> None:
        """Raises the reason, a PartFailed or other Unavailable, if the stack gave up."""
        if self._supervisor and self._supervisor.error:
            raise self._supervisor.error

    def wait(self) -> None:
        """Returns when somebody stopped the stack; raises the reason if it gave up."""
        while self._supervisor and not self._supervisor.ended.wait(WAIT_SECONDS):
            pass
        self.check()

    def stop(self) -> None:
        """Stop all parts in good order: what is being called may land first. Harmless when nothing runs."""
        self.stopping = True
        if self._supervisor:
            self._supervisor.stop()
        if self._database:
            self._database.close()
        self.folder.release()

    def kill(self) -> None:
        """End all parts at once; somebody in `stop` returns soon. A signal handler may call it."""
        if self._supervisor:
            self._supervisor.kill()

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, by part: `valkey`, `api`, `worker-1`, `beat`."""
        return self._supervisor.pids if self._supervisor else {}

    def _prepare(self, database: Database) -> None:
        upgrade(database.engine)
        with database.begin() as session:
            self.api_key = self.folder.ensure_key(session)
            if not self.settings.database_url:
                self._bury_workers(session)

    def _bury_workers(self, session: Session) -> None:
        """The folder is ours alone, so whatever worker its database knows died with an earlier stack."""
        workers.retire(session, list(workers.counters(session)))

    def _ranks(self, port: int, database: Database) -> list[Rank]:
        environment, brokers = variables(self.settings), list[Part]()
        if "redis_url" not in self.settings.model_fields_set:
            server = new_valkey(_bindable(0), self.folder.path)
            environment["HEADRACE_REDIS_URL"] = server.url
            self.folder.tell_broker(server.url)
            brokers.append(parts.valkey(server, environment))
        level = self.settings.log_level.upper()
        schedule = self.folder.path / "beat-schedule"
        heads = [parts.api(port, environment), parts.beat(schedule, level, environment)]
        hands = [parts.worker(number, level, environment, database) for number in range(1, self.workers + 1)]
        return [
            Rank(self._children(heads), API_PATIENCE_SECONDS),
            Rank(self._children(hands), self.settings.grace_seconds + WORKER_MARGIN_SECONDS),
            Rank(self._children(brokers), VALKEY_PATIENCE_SECONDS),
        ]

    def _children(self, of: Sequence[Part]) -> list[Child]:
        folder = home()
        return [Child(part, folder, self.folder.logs / f"{part.name}.log") for part in of]


def cores() -> int:
    """The cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _bindable(port: int) -> int:
    """The port, or any free one for 0. Raises ConfigurationError if somebody listens there."""
    try:
        with socket.create_server((parts.HOST, port)) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise ConfigurationError(f"port {port} of {parts.HOST} cannot be used: {error.strerror}") from error
