"""Group commits of landings: what ended in the last 50 ms is written in one transaction."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gevent
from gevent.event import Event
from sqlalchemy.exc import SQLAlchemyError

from headrace.config import Quota
from headrace.db import Database
from headrace.dispatch import wake_finalise
from headrace.limits import Limiter, Settled
from headrace.store.landings import Landing, land
from worker.settling import settle_all

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
LARGEST_GROUP = 500
RETRY_SECONDS = 1.0


class Landed(NamedTuple):
    """A call that ended: what to write, what to settle, whom to tell when it is written."""

    landing: Landing
    quota: Quota
    settled: Settled
    done: Callable[[], None]


class Lander:
    """Writes what landed. If the database is away, answers wait here until it is back."""

    def __init__(self, db: Database, limiter: Limiter) -> None:
        self._db = db
        self._limiter = limiter
        self._waiting: list[Landed] = []
        self._arrived = Event()
        self._empty = Event()
        self._empty.set()

    def add(self, landed: Landed) -> None:
        """Hand over what came of a call."""
        self._waiting.append(landed)
        self._empty.clear()
        self._arrived.set()

    def run(self) -> None:
        """Write groups for ever; ends with its greenlet."""
        while True:
            self._arrived.wait()
            gevent.sleep(GATHER_SECONDS)
            group = self._waiting[:LARGEST_GROUP]
            while not self._written(group):
                gevent.sleep(RETRY_SECONDS)
            del self._waiting[: len(group)]
            settle_all(self._limiter, [(landed.quota, landed.settled) for landed in group])
            for landed in group:
                landed.done()
            if not self._waiting:
                self._arrived.clear()
                self._empty.set()

    def wait(self, seconds: float) -> bool:
        """Until all is written, but not longer; whether it is."""
        return bool(self._empty.wait(seconds))

    def _written(self, group: Sequence[Landed]) -> bool:
        try:
            with self._db.begin() as session:
                completed = land(session, [landed.landing for landed in group])
        except SQLAlchemyError:
            log.exception("%d landings could not be written; trying again", len(group))
            return False
        for batch_id in completed:
            wake_finalise(batch_id)
        return True
