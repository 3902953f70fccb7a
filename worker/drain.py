"""`drain(lane)`: claim a slice of due jobs, book slots for them, let each depart at its time."""

import logging
import time
from collections import deque
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from gevent.event import Event
from sqlalchemy.exc import SQLAlchemyError

from headrace.clock import now
from headrace.config import Route
from headrace.db import Database
from headrace.errors import Unavailable
from headrace.failpoints import failpoint
from headrace.ids import new_id
from headrace.limits import HORIZON_SECONDS, Ask, Limiter
from headrace.pricing import Price
from headrace.store.jobs import Claim, Departure, claim, next_due, release
from headrace.tokens import Bound, bound_of_text
from headrace.usage import NO_USAGE, Usage, service_tier_asked
from worker.adoption import adopted, is_unlimited
from worker.call import Answer
from worker.departures import Departures
from worker.estimates import Estimator
from worker.flights import Booked
from worker.prices import Prices
from worker.refusals import described
from worker.room import Room
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

LENGTH_SECONDS = 30.0
LARGEST_SLICE = 200
FIRST_SLICE = 10
PACED_WINDOW = 4000
UNPACED_WINDOW = 100
REBOOK_EARLY_SECONDS = 1.0
SHORTEST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
LONGEST_HOLD_SECONDS = HORIZON_SECONDS + 1.0  # longer, what is claimed would bar a higher priority
RETRY_SECONDS = 1.0
SOUND = ('"input_audio"', '"audio"')  # in a body that hears or asks to be spoken to


class Tools(NamedTuple):
    """What every drain of a process works with."""

    db: Database
    limiter: Limiter
    departures: Departures
    stop: StopFlag
    worker_id: str
    room: Room
    prices: Prices


class Drain:
    """One lane's work in one process. Any number of drains may run, anywhere: rows decide who does what."""

    def __init__(self, lane: str, route: Route, tools: Tools) -> None:
        self._lane = lane
        self._configured = self._route = route
        self._price = Price(route.provider.name, route.model)
        self._tools = tools
        self._estimator = Estimator()
        self._claimed: deque[Claim] = deque()
        self._slice = FIRST_SLICE
        self._under_way: dict[str, tuple[int, str]] = {}
        self._book_at = 0.0
        self._welcome = False
        self._incarnation = ""
        self._changed = Event()
        self.running = False

    def nudge(self) -> None:
        """Look again now: jobs came, or a call landed."""
        self._changed.set()

    def holds(self) -> set[tuple[int, str]]:
        """Ids and lease tokens of the jobs that this drain has in hand."""
        claimed = self._claimed if self.running else ()
        return {(held.job_id, held.token) for held in claimed} | set(self._under_way.values())

    def renew(self) -> None:
        """Keep our places among the calls in flight, where their number is capped."""
        if self._route.quota.max_in_flight and self._under_way:
            self._tools.limiter.renew(self._route.quota, list(self._under_way), self._incarnation)

    def run(self) -> bool:
        """Drain for about 30 s, or until nothing is due soon or the process stops; whether work remains."""
        end = time.monotonic() + LENGTH_SECONDS
        self.running = True
        try:
            while not self._tools.stop.is_set() and time.monotonic() < end:
                self._changed.clear()
                pause = self._round(end)
                if pause is None and not self._changed.is_set():
                    return False
                self._changed.wait(pause or SHORTEST_PAUSE_SECONDS)
        finally:
            try:
                self._release(0.0)
            finally:
                self.running = False  # not before: a hint would start it again amid the release
        return not self._tools.stop.is_set()

    def _round(self, end: float) -> float | None:
        """Claim and book; the seconds until it is worth doing again, None when nothing is left to do."""
        try:
            if self._tools.room.is_short():
                self._release(RETRY_SECONDS)
                return RETRY_SECONDS
            early = self._book_at - time.monotonic()
            if early > 0 and not self._claimed:  # the quota is closed, and what was claimed is released
                return early
            self._claim()
            return self._book() if self._claimed else self._idle(end - time.monotonic())
        except (SQLAlchemyError, Unavailable) as error:
            log.warning("lane %s waits: %s", self._lane, described(error))
            return RETRY_SECONDS

    def _claim(self) -> None:
        wanted = min(self._window() - len(self._under_way), self._slice) - len(self._claimed)
        if wanted <= 0 or len(self._claimed) > self._slice // 2:
            return
        with self._tools.db.begin() as session:
            claims = claim(session, self._lane, wanted, self._tools.worker_id)
        self._claimed += claims  # not before the commit: else a failed one leaves claims that nobody wrote
        failpoint("claimed")

    def _book(self) -> float:
        early = self._book_at - time.monotonic()
        if early > 0:
            return early
        leaving = [Departure(held, new_id("att_"), self._estimator.tokens(held)) for held in self._claimed]
        asks = [Ask(departure.attempt_id, departure.tokens_booked) for departure in leaving]
        self._price = self._tools.prices.now(self._lane, self._configured)
        booking = self._tools.limiter.book(self._route.quota, self._lane, asks, self._incarnation)
        if booking.incarnation != self._incarnation:  # Redis knows nothing of what is in flight
            self.renew()
            self._incarnation = booking.incarnation
        for departure, delay in zip(leaving, booking.delays_seconds, strict=False):
            self._depart(departure, delay)
        return self._pace(len(booking.delays_seconds), booking.wait_seconds)

    def _window(self) -> int:
        """Calls in flight that this process may have: many where the quota paces them, else few."""
        quota = self._route.quota
        if quota.max_in_flight:
            return min(quota.max_in_flight, PACED_WINDOW)
        return UNPACED_WINDOW if is_unlimited(quota) else PACED_WINDOW

    def _depart(self, leaving: Departure, delay_seconds: float) -> None:
        self._claimed.popleft()
        leaving = self._bounded(leaving)
        self._under_way[leaving.attempt_id] = (leaving.claim.job_id, leaving.claim.token)
        learn = partial(self._learn, leaving.claim)
        ended = partial(self._ended, leaving.attempt_id)
        booked = Booked(leaving, self._route, learn, ended, lambda: self._welcome)
        self._tools.departures.add(booked, delay_seconds)

    def _bounded(self, leaving: Departure) -> Departure:
        """With the price in force now, and the most that it can use and cost."""
        claim, most = leaving.claim, self._configured.max_output_tokens
        bound = Bound(claim.tokens_at_most, claim.open_answers, claim.prompt_at_most)
        if not bound.prompt:  # a worker of the release before made the job
            bound = bound_of_text(claim.endpoint, claim.body)
        return leaving._replace(
            tokens_at_most=bound.at_most(most),
            price_id=self._price.id,
            cost_at_most_nanos=_cost_at_most(self._price, bound.parts(most), claim.body),
        )

    def _pace(self, granted: int, wait: float | None) -> float:
        """Sizes the next slice like what the quota grants in a round; returns the seconds until then."""
        if wait is None:
            self._size_slice(2 * self._slice)
            return SHORTEST_PAUSE_SECONDS if len(self._under_way) < self._window() else LENGTH_SECONDS
        if wait == 0:  # no place is free among the calls in flight: look again when one of ours ends
            self._size_slice(max(2 * granted, self._slice // 2))
            self._release(0.0, keep=self._slice)
            return SHORTEST_PAUSE_SECONDS
        self._size_slice(2 * granted)
        # A long wait may turn out shorter: a large request is settled, or somebody repairs the account.
        pause = min(max(SHORTEST_PAUSE_SECONDS, wait - REBOOK_EARLY_SECONDS), LONGEST_PAUSE_SECONDS)
        self._release(pause, keep=0 if wait > LONGEST_HOLD_SECONDS else self._slice)
        # Not before what was released is due again: else jobs of a lower priority would take its slots.
        self._book_at = time.monotonic() + pause
        return pause

    def _size_slice(self, jobs: int) -> None:
        self._slice = max(1, min(LARGEST_SLICE, jobs))

    def _idle(self, left: float) -> float | None:
        """Nothing is due: the seconds until something is, None when nothing will be in the `left` ones."""
        with self._tools.db.read() as session:
            due = next_due(session, self._lane)
        until = (due - now()).total_seconds() if due else left
        if until < left:
            return max(SHORTEST_PAUSE_SECONDS, until)
        return left if self._under_way else None

    def _learn(self, called: Claim, answer: Answer, usage: Usage) -> None:
        self._welcome = 200 <= answer.status < 300
        if usage != NO_USAGE:
            self._estimator.learn(called, usage)
        if is_unlimited(self._configured.quota):
            self._route = adopted(self._configured, self._route, self._lane, answer.headers)

    def _ended(self, attempt_id: str) -> None:
        self._under_way.pop(attempt_id, None)
        self._changed.set()

    def _release(self, delay_seconds: float, keep: int = 0) -> None:
        """Put back what is claimed and has no slot, all but the first `keep`, due after `delay_seconds`."""
        over = list(self._claimed)[keep:]
        if not over:
            return
        with self._tools.db.begin() as session:
            release(session, over, now() + timedelta(seconds=delay_seconds))
        for _ in over:
            self._claimed.pop()


def _cost_at_most(price: Price, tokens: tuple[int, int], body: str) -> int | None:
    """Nanos for a call with this body, in the tier of service that it asks for."""
    return price.at_most(*tokens, service_tier_asked(body), sound=any(word in body for word in SOUND))
