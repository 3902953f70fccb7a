"""Group commits of departures: what is due in the next moment is written in one transaction, then called."""

import heapq
import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gevent
from gevent.event import Event
from sqlmodel import Session

from headrace.clock import now
from headrace.db import Database
from headrace.failpoints import failpoint
from headrace.limits import Limiter, Settled
from headrace.store.jobs import Departure, depart, release
from worker.flights import Booked, Flights, is_past
from worker.refusals import WRITE_ERRORS, described, is_refusal
from worker.room import Room
from worker.settling import settle_all
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

LEAD_SECONDS = 0.05
STALE_SECONDS = 1.0  # made later than this, calls would come on top of those of the next minute
GATHER_SECONDS = 0.05
LARGEST_GROUP = 500
RETRY_SECONDS = 1.0


Verb = Callable[[Session, Sequence[Departure]], set[str]]
"""Writes departures; returns the attempts that may go."""


class Scheduled(NamedTuple):
    """A booked job and its slot, in seconds of the monotonic clock. `order` only breaks ties."""

    slot: float
    order: int
    booked: Booked


class Departures:
    """Holds booked jobs until just before their slot; once the process stops, puts them back."""

    def __init__(
        self,
        db: Database,
        limiter: Limiter,
        flights: Flights,
        room: Room,
        stop: StopFlag,
        worker_id: str,
    ) -> None:
        self._db = db
        self._limiter = limiter
        self._flights = flights
        self._room = room
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
            group = self._due(math.inf if self._stop.is_set() else LEAD_SECONDS + GATHER_SECONDS)
            staying = [due for due in group if is_past(due.slot, STALE_SECONDS) or self._is_off(due)]
            self._write(staying, _release)
            self._write([due for due in group if due not in staying], self._depart)
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

    def _is_off(self, due: Scheduled) -> bool:
        """Whether a job that is due must not be called now."""
        if self._stop.is_set() or self._room.is_short() or is_past(due.slot):
            return True
        return self._flights.is_closed(due.booked, due.slot)

    def _write(self, group: list[Scheduled], verb: Verb) -> None:
        """Try until the database has taken the group. One that it refuses is taken apart."""
        going: set[str] | None = None
        while group and going is None:
            try:
                with self._db.begin() as session:
                    granted = verb(session, [due.booked.leaving for due in group])
                going = granted  # now that it is committed
            except WRITE_ERRORS as error:
                if not is_refusal(error):
                    log.warning("%d departures wait for the database: %s", len(group), described(error))
                    gevent.sleep(RETRY_SECONDS)
                elif len(group) > 1:
                    for due in group:
                        self._write([due], verb)
                    return
                else:
                    _report_refusal(group[0], error)
                    going = set()
        self._send(group, going or set())

    def _depart(self, session: Session, leaving: Sequence[Departure]) -> set[str]:
        return depart(session, leaving, self._worker_id)

    def _send(self, group: list[Scheduled], going: set[str]) -> None:
        """Those that may go take off at their slot, unless it passed while the database was away."""
        if going:
            failpoint("departed")
        staying = []
        for due in group:
            if due.booked.leaving.attempt_id not in going:
                staying.append(due.booked)
            elif self._is_off(due):
                self._flights.call_off(due.booked)
            else:
                self._flights.take_off(due.booked, due.slot)
        settle_all(self._limiter, [(booked.route.quota, _unused(booked.leaving)) for booked in staying])
        for booked in staying:
            booked.ended()


def _release(session: Session, leaving: Sequence[Departure]) -> set[str]:
    release(session, [departure.claim for departure in leaving], now())
    return set()


def _report_refusal(due: Scheduled, error: Exception) -> None:
    log.error("the departure of job %d was refused: %s", due.booked.leaving.claim.job_id, described(error))


def _unused(leaving: Departure) -> Settled:
    return Settled(leaving.attempt_id, -leaving.tokens_booked, sent=False, lane=leaving.claim.lane)
