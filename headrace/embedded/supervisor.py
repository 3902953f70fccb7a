"""Keeps the parts of a stack running, and stops them in good order."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from headrace.embedded.child import Child
from headrace.errors import Unavailable

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
MAX_QUICK_DEATHS = 5
KILL_SECONDS = 5.0


class PartFailed(Unavailable):
    """A part of the stack dies again and again. `tail` has the last lines of its log."""

    def __init__(self, message: str, tail: Sequence[str]) -> None:
        super().__init__(message)
        self.tail = tuple(tail)


class Rank(NamedTuple):
    """Children that are stopped together, and the seconds they have to end in good order."""

    children: Sequence[Child]
    patience_seconds: float


class Supervisor:
    """One thread starts, watches and stops all children: on Linux they die with the thread they are from."""

    def __init__(self, ranks: Sequence[Rank]) -> None:
        """`ranks` in the order in which they are to be stopped."""
        self.ended = threading.Event()
        self.error: Unavailable | None = None
        self._ranks = ranks
        self._stop = threading.Event()
        self._kill = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headrace-supervisor", daemon=True)

    def start(self) -> None:
        """Start the children; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the children in good order; returns when all are gone."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def kill(self) -> None:
        """End all children at once, also while `stop` waits for them. Safe to call in a signal handler."""
        self._kill.set()
        self._stop.set()

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the parts that run, by name."""
        return {child.part.name: child.pid for child in self._children() if child.pid}

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for child in self._children():
                    self._look_after(child)
                self._stop.wait(LOOK_SECONDS)
        except PartFailed as error:
            self.error = error
        except OSError as error:
            self.error = Unavailable(f"cannot start a process: {error}")
        finally:
            for rank in self._ranks:
                self._end(rank)
            self.ended.set()

    def _look_after(self, child: Child) -> None:
        status = child.died()
        if status is not None:
            log.warning("%s ended (status %d); it is started again", child.part.name, status)
            child.part.has_died()
            if child.quick_deaths >= MAX_QUICK_DEATHS:
                raise PartFailed(f"{child.part.name} does not stay up: see {child.log}", child.tail())
        child.start_if_due()

    def _end(self, rank: Rank) -> None:
        running = [child for child in rank.children if child.pid]
        for child in running:
            child.terminate()
        if not self._gone(running, rank.patience_seconds):
            for child in running:
                child.kill()
            self._gone(running, KILL_SECONDS, patient=True)
        for child in running:
            child.part.has_died()

    def _gone(self, children: Sequence[Child], seconds: float, *, patient: bool = False) -> bool:
        """Whether all ended within `seconds`; somebody's `kill` cuts the wait short unless we are patient."""
        deadline = time.monotonic() + seconds
        while any(child.is_running() for child in children):
            if time.monotonic() > deadline or (self._kill.is_set() and not patient):
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _children(self) -> Iterator[Child]:
        return chain.from_iterable(rank.children for rank in self._ranks)
