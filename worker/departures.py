"""Group commits of departures: what is due in the next moment is written in one transaction, then called."""

import heapq
import itertools
import logging
import time
from typing import NamedTuple

import gevent
from gevent.event import Event
from sqlalchemy.exc import SQLAlchemyError

from headrace.db import Database
from headrace.store.jobs import depart
from worker.flights import Booked, Flights

log = logging.getLogger(__name__)

LEAD_SECONDS = 0.05
GATHER_SECONDS = 0.05
LARGEST_GROUP = 500
RETRY_SECONDS = 1.0


class Scheduled(NamedTuple):
    """A booked job and its slot, in seconds of the monotonic clock. `order` only breaks ties."""

    slot: float
    order: int
    booked: Booked


class Departures:
    """Holds booked jobs until just before their slot."""

    def __init__(self, db: Database, flights: Flights, worker_id: str) -> None:
        self._db = db
        self._flights = flights
        self._worker_id = worker_id
        self._heap: list[Scheduled] = []
        self._order = itertools.count()
        self._added = Event()
        self._empty = Event()
        self._empty.set()

    def add(self, booked: Booked, delay_seconds: float) -> None:
        """Schedule a departure."""
        slot = time.monotonic() + delay_seconds
        heapq.heappush(self._heap, Scheduled(slot, next(self._order), booked))
        self._empty.clear()
        self._added.set()

    def wait(self, seconds: float) -> bool:
        """Until every booked job has departed, but not longer; whether they have."""
        return bool(self._empty.wait(seconds))

    def run(self) -> None:
        """Let jobs depart for ever; ends with its greenlet."""
        while True:
            self._wait()
            group = self._due()
            while group and not self._departed(group):
                gevent.sleep(RETRY_SECONDS)
            if not self._heap:
                self._empty.set()

    def _wait(self) -> None:
        """Until the first slot is near."""
        while True:
            self._added.clear()
            if not self._heap:
                self._added.wait()
            early = self._heap[0].slot - LEAD_SECONDS - time.monotonic()
            if early <= 0:
                return
            self._added.wait(early)

    def _due(self) -> list[Scheduled]:
        until = time.monotonic() + LEAD_SECONDS + GATHER_SECONDS
        group: list[Scheduled] = []
        while self._heap and self._heap[0].slot <= until and len(group) < LARGEST_GROUP:
            group.append(heapq.heappop(self._heap))
        return group

    def _departed(self, group: list[Scheduled]) -> bool:
        try:
            with self._db.begin() as session:
                leaving = [due.booked.leaving for due in group]
                going = depart(session, leaving, self._worker_id)
        except SQLAlchemyError:
            log.exception("%d departures could not be written; no call is made before they are", len(group))
            return False
        for due in group:
            if due.booked.leaving.claim.job_id in going:
                self._flights.take_off(due.booked, due.slot - time.monotonic())
            else:
                due.booked.ended()
        return True
