"""The kills and stops of a soak: which worker each met, and how many calls that had under way."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from headrace.db import Database
from headrace.states import Outcome
from headrace.store import tables

WORKER_ID = b"HEADRACE_WORKER_ID="


@dataclass
class Struck:
    """A worker that stood still from `since` to `until` (Unix time), or did not go on because it was killed.

    `open_calls`: the attempts that it had open then.
    """

    worker_id: str
    open_calls: int
    since: float
    until: float | None = None
    was_killed: bool = False

    @property
    def seconds(self) -> float:
        """How long it stood still."""
        return (self.until or time.time()) - self.since


class Processes:
    """Strikes processes by the names of their parts. `struck` are the workers among them."""

    def __init__(self, pids: Callable[[], Mapping[str, int]], open_calls: Callable[[str], int]) -> None:
        """`open_calls` counts those of a worker id."""
        self.struck: list[Struck] = []
        self._pids = pids
        self._open_calls = open_calls
        self._stopped: dict[str, tuple[int, threading.Timer, Struck]] = {}

    def kill(self, name: str) -> bool:
        """SIGKILL; whether it was there."""
        pid = self._pids().get(name)
        if pid is None:
            return False
        _, timer, struck = self._stopped.pop(name, (0, None, None))
        if timer:
            timer.cancel()
        if not struck:
            os.kill(pid, signal.SIGSTOP)  # so that what is counted stays so
            struck = self._met(pid)
        os.kill(pid, signal.SIGKILL)
        if struck:
            struck.was_killed, struck.until = True, time.time()
        return True

    def stop(self, name: str, seconds: float) -> bool:
        """SIGSTOP, for so long; whether it was there and had not been stopped."""
        pid = self._pids().get(name)
        if pid is None or name in self._stopped:
            return False
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(seconds, self._go_on, [name])
        self._stopped[name] = (pid, timer, self._met(pid) or Struck(name, 0, time.time()))
        timer.start()
        return True

    def calm(self) -> None:
        """Everything that was stopped goes on."""
        for name in list(self._stopped):
            self._go_on(name)

    def _met(self, pid: int) -> Struck | None:
        """A stopped process, if it is a worker."""
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        ids = [each.removeprefix(WORKER_ID).decode() for each in variables if each.startswith(WORKER_ID)]
        if not ids:
            return None
        met = Struck(ids[0], self._open_calls(ids[0]), time.time())
        self.struck.append(met)
        return met

    def _go_on(self, name: str) -> None:
        pid, timer, struck = self._stopped.pop(name, (0, None, None))
        if timer and struck:
            timer.cancel()
            struck.until = time.time()
            if self._pids().get(name) == pid:  # else it died, and the number may be another's
                os.kill(pid, signal.SIGCONT)


def open_calls(db: Database, worker_id: str) -> int:
    """The attempts of a worker that have no end yet."""
    attempts = tables.attempts
    wanted = select(func.count()).select_from(attempts)
    wanted = wanted.where(attempts.c.worker_id == worker_id, attempts.c.outcome == Outcome.OPEN)
    with db.read() as session:
        return int(session.execute(wanted).scalar_one())
