"""Calls under way: each a greenlet from its slot until its landing is handed over."""

import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from gevent import Greenlet
from gevent.pool import Group

from headrace.clock import now
from headrace.config import Route
from headrace.errors import Unavailable
from headrace.failpoints import failpoint
from headrace.limits import Limiter, Settled
from headrace.states import Outcome
from headrace.store.jobs import Departure
from headrace.store.landings import Landing, Verb
from headrace.usage import NO_USAGE, Usage, service_tier_asked
from worker.answers import request_id_of
from worker.call import Answer, Caller, Lost, NotSent, Result
from worker.closures import Closures
from worker.landing import Landed, Lander
from worker.verdict import Circumstances, Pause, Verdict, judge

log = logging.getLogger(__name__)

LATE_SECONDS = 5.0
CALLED_OFF_REASON = "The time of the call had passed, its quota was closed, or the worker was stopping."
ACCEPTED = frozenset({Outcome.SUCCEEDED, Outcome.FAILED})  # the provider judged the request itself
CALLED_OFF = Verdict(Verb.SNOOZE, Outcome.NOT_SENT, NO_USAGE, code="called_off", message=CALLED_OFF_REASON)


class Booked(NamedTuple):
    """A job with a slot.

    `learn` hears an answer and its usage, `ended` that the outcome is written or that the job may not go;
    `welcome` says whether the lane's last answer was good.
    """

    leaving: Departure
    route: Route
    learn: Callable[[Answer, Usage], None]
    ended: Callable[[], None]
    welcome: Callable[[], bool]


class Flights:
    """Makes the calls of departed jobs and hands what came of them to the lander."""

    def __init__(self, caller: Caller, limiter: Limiter, lander: Lander) -> None:
        self._caller = caller
        self._limiter = limiter
        self._lander = lander
        self._closures = Closures()
        self._greenlets = Group()

    def take_off(self, booked: Booked, slot: float) -> None:
        """Call at the job's slot, in seconds of the monotonic clock."""
        greenlet = Greenlet(self._fly, booked, slot)
        self._greenlets.add(greenlet)
        greenlet.start_later(max(0.0, slot - time.monotonic()))

    def call_off(self, booked: Booked) -> None:
        """The attempt is written, and the call is not made after all."""
        self._hand_over(booked, CALLED_OFF, NotSent(CALLED_OFF_REASON))

    def is_closed(self, booked: Booked, slot: float) -> bool:
        """Whether answers to other calls have closed the job's quota or lane beyond its slot."""
        return self._closures.holds(booked.route.quota.name, booked.leaving.claim.lane, slot)

    def wait(self, seconds: float) -> bool:
        """Until every call has ended, but not longer; whether they have."""
        self._greenlets.join(timeout=seconds)
        return len(self._greenlets) == 0

    def _fly(self, booked: Booked, slot: float) -> None:
        # A process that stood still may hold jobs that are another's now.
        if is_past(slot) or self.is_closed(booked, time.monotonic()):
            self.call_off(booked)
            return
        leaving, route = booked.leaving, booked.route
        result = self._call(leaving, route)
        failpoint("answered")
        verdict = _judged(result, leaving, booked.welcome())
        self._hand_over(booked, verdict, result)
        self._heed(booked, verdict, result)

    def _hand_over(self, booked: Booked, verdict: Verdict, result: Result) -> None:
        leaving = booked.leaving
        landing = _landing(leaving, verdict, result)
        self._lander.add(Landed(landing, booked.route.quota, _settled(leaving, verdict), booked.ended))

    def _call(self, leaving: Departure, route: Route) -> Result:
        claim = leaving.claim
        try:
            return self._caller.call(route, claim.endpoint, claim.lane, claim.body, leaving.attempt_id)
        except Exception as error:
            log.exception("the call of job %d failed in our own code", claim.job_id)
            return _own_fault(error)

    def _heed(self, booked: Booked, verdict: Verdict, result: Result) -> None:
        """What the answer says to other calls. It is handed over by now, so that nothing here can lose it."""
        try:
            if verdict.pause:
                self._close(booked.route, booked.leaving.claim.lane, verdict.pause)
            if isinstance(result, Answer):
                booked.learn(result, verdict.usage or NO_USAGE)
        except Exception:
            log.exception("what the answer to job %d tells was not heeded", booked.leaving.claim.job_id)

    def _close(self, route: Route, lane: str, pause: Pause) -> None:
        log.warning("quota %s closed for %.1f s", route.quota.name, pause.seconds)
        closed = lane if pause.lane_only else None
        self._closures.close(route.quota.name, closed, pause.seconds)
        try:
            self._limiter.pause(route.quota, pause.seconds, pause.reason, lane=closed, refused=pause.refused)
        except Unavailable as error:
            log.warning("%s; other workers do not know of the pause", error)


def is_past(slot: float, seconds: float = LATE_SECONDS) -> bool:
    """Whether a call would come so late that it belongs to another slot, or to another worker."""
    return time.monotonic() - slot > seconds


def _judged(result: Result, leaving: Departure, welcome: bool) -> Verdict:
    try:
        return judge(result, _circumstances(leaving, welcome))
    except Exception as error:
        log.exception("the answer to job %d cannot be judged", leaving.claim.job_id)
        return judge(_own_fault(error), _circumstances(leaving, welcome))


def _own_fault(error: Exception) -> Lost:
    """A fault of ours must not leave the job running for ever."""
    return Lost("internal_error", f"headrace failed: {type(error).__name__}")


def _circumstances(leaving: Departure, welcome: bool) -> Circumstances:
    claim = leaving.claim
    attempts = claim.attempts + 1
    return Circumstances(claim.endpoint, attempts, claim.max_attempts, random.random(), now(), welcome)


def _landing(leaving: Departure, verdict: Verdict, result: Result) -> Landing:
    return Landing(
        job_id=leaving.claim.job_id,
        token=leaving.claim.token,
        attempt_id=leaving.attempt_id,
        verb=verdict.verb,
        outcome=verdict.outcome,
        usage=verdict.usage or NO_USAGE,
        run_at=now() + timedelta(seconds=verdict.delay_seconds),
        status_code=verdict.status,
        request_id=request_id_of(result.headers) if isinstance(result, Answer) else None,
        answer=verdict.answer,
        error_code=verdict.code,
        error_message=verdict.message,
        notice=verdict.notice,
        service_tier=_service_tier(leaving.claim.body, verdict),
    )


def _service_tier(body: str, verdict: Verdict) -> str:
    """As the answer says; one that tells what it used and not how it was served, as the request asked."""
    if verdict.service_tier or verdict.usage in (None, NO_USAGE):
        return verdict.service_tier
    return service_tier_asked(body)


def _settled(leaving: Departure, verdict: Verdict) -> Settled:
    """What is not known stays as it was booked; what was refused used no tokens."""
    used = 0 if verdict.usage is None else verdict.usage.total_tokens - leaving.tokens_booked
    return Settled(
        leaving.attempt_id,
        used,
        sent=verdict.outcome is not Outcome.NOT_SENT,
        lane=leaving.claim.lane,
        accepted=verdict.outcome in ACCEPTED,
    )
