"""Group commits of departures: what is due in the next moment is written in one transaction, then called."""

import heapq
import itertools
import logging
import math
import time
from typing import NamedTuple

import gevent
from gevent.event import Event
from sqlalchemy.exc import SQLAlchemyError

from headrace.clock import now
from headrace.db import Database
from headrace.limits import Limiter, Settled
from headrace.store.jobs import Departure, depart, release
from worker.flights import Booked, Flights
from worker.settling import settle_all
from worker.stopping import StopFlag

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
    """Holds booked jobs until just before their slot; once the process stops, puts them back."""

    def __init__(
        self, db: Database, limiter: Limiter, flights: Flights, stop: StopFlag, worker_id: str
    ) -> None:
        self._db = db
        self._limiter = limiter
        self._flights = flights
        self._stop = stop
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

    def nudge(self) -> None:
        """Look at the stop flag now."""
        self._added.set()

    def wait(self, seconds: float) -> bool:
        """Until no booked job waits for its slot, but not longer; whether none does."""
        return bool(self._empty.wait(seconds))

    def run(self) -> None:
        """Let jobs depart for ever; ends with its greenlet."""
        while True:
            self._wait()
            stopping = self._stop.is_set()
            group = self._due(math.inf if stopping else LEAD_SECONDS + GATHER_SECONDS)
            while group and not self._written(group, stopping):
                gevent.sleep(RETRY_SECONDS)
            if not self._heap:
                self._empty.set()

    def _wait(self) -> None:
        """Until the first slot is near, or the process stops."""
        early = math.inf
        while early > 0:
            self._added.clear()
            if not self._heap:
                self._added.wait()
            elif self._stop.is_set():
                return
            else:
                early = self._heap[0].slot - LEAD_SECONDS - time.monotonic()
                self._added.wait(max(0.0, early))

    def _due(self, within_seconds: float) -> list[Scheduled]:
        until = time.monotonic() + within_seconds
        group: list[Scheduled] = []
        while self._heap and self._heap[0].slot <= until and len(group) < LARGEST_GROUP:
            group.append(heapq.heappop(self._heap))
        return group

    def _written(self, group: list[Scheduled], stopping: bool) -> bool:
        leaving = [due.booked.leaving for due in group]
        going: set[int] = set()
        try:
            with self._db.begin() as session:
                if stopping:
                    release(session, [departure.claim for departure in leaving], now())
                else:
                    going = depart(session, leaving, self._worker_id)
        except SQLAlchemyError:
            log.exception("%d departures could not be written; no call is made before they are", len(group))
            return False
        self._send(group, going)
        return True

    def _send(self, group: list[Scheduled], going: set[int]) -> None:
        """Those that may go take off at their slot; the others give their bookings back."""
        staying = []
        for due in group:
            if due.booked.leaving.claim.job_id in going:
                self._flights.take_off(due.booked, due.slot - time.monotonic())
            else:
                staying.append(due.booked)
        settle_all(self._limiter, [(booked.route.quota, _unused(booked.leaving)) for booked in staying])
        for booked in staying:
            booked.ended()


def _unused(leaving: Departure) -> Settled:
    return Settled(leaving.attempt_id, -leaving.tokens_booked, sent=False)
