"""Group commits of landings: what ended in the last 50 ms is written in one transaction."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import gevent
from gevent.event import Event

from headrace.config import Quota
from headrace.limits import Limiter, Settled
from headrace.store.landings import Landing
from worker.settling import settle_all
from worker.spool import Spool
from worker.writing import Writer

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
LARGEST_GROUP = 500
RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 1.0


class Landed(NamedTuple):
    """A call that ended: what to write, what to settle, whom to tell when it is written."""

    landing: Landing
    quota: Quota
    settled: Settled
    done: Callable[[], None]


class Lander:
    """Writes what landed. If the database is away, answers wait here and on disk until it is back."""

    def __init__(self, limiter: Limiter, writer: Writer, spool: Spool) -> None:
        self._limiter = limiter
        self._writer = writer
        self._spool = spool
        self._waiting: list[Landed] = []
        self._spooled = 0  # the first so many of them are on disk
        self._since = 0.0
        self._arrived = Event()
        self._empty = Event()
        self._empty.set()
        self.is_stuck = False
        """Whether answers wait that can be stored nowhere: no new call may be made."""

    def add(self, landed: Landed) -> None:
        """Hand over what came of a call."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(landed)
        self._empty.clear()
        self._arrived.set()

    def run(self) -> None:
        """Write groups for ever; ends with its greenlet."""
        while True:
            self._arrived.wait()
            gevent.sleep(GATHER_SECONDS)
            group = self._waiting[:LARGEST_GROUP]
            # First: the provider is done with these calls, whatever the database says.
            settle_all(self._limiter, [(landed.quota, landed.settled) for landed in group])
            while not self._writer.write([landed.landing for landed in group]):
                self.save()
                gevent.sleep(RETRY_SECONDS)
            self._forget(len(group))
            for landed in group:
                landed.done()
            if not self._waiting:
                self._arrived.clear()
                self._empty.set()

    def keep(self) -> None:
        """Save what waits for a database that does not even fail; ends with its greenlet."""
        while True:
            self._arrived.wait()
            gevent.sleep(PATIENCE_SECONDS)
            if self._waiting and time.monotonic() - self._since > PATIENCE_SECONDS:
                self.save()

    def save(self) -> None:
        """Put on disk what waits and is not there yet."""
        unsaved = self._waiting[self._spooled :]
        try:
            if unsaved and self._spool.is_mostly_written(len(self._waiting)):
                self._spool.rewrite(landed.landing for landed in self._waiting)
            elif unsaved:
                self._spool.add(landed.landing for landed in unsaved)
                log.warning("%d landings wait in the spool", len(self._waiting))
        except OSError as error:
            log.warning("%d landings wait in memory only, and no call is made: %s", len(unsaved), error)
            self.is_stuck = True
        else:
            self._spooled += len(unsaved)
            self.is_stuck = False

    def wait(self, seconds: float) -> bool:
        """Until all is written, but not longer; whether it is."""
        return bool(self._empty.wait(seconds))

    def _forget(self, count: int) -> None:
        """The first `count` are written."""
        del self._waiting[:count]
        self._since = time.monotonic()
        self._spooled = max(0, self._spooled - count)
        if not self._spooled:
            self._spool.clear()
        if not self._waiting:
            self.is_stuck = False
