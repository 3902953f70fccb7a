"""Calls under way: each a greenlet from its slot until its landing is handed over."""

import logging
import random
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from gevent import Greenlet
from gevent.pool import Group

from headrace.clock import now
from headrace.config import Route
from headrace.errors import Unavailable
from headrace.limits import Limiter, Settled
from headrace.states import Outcome
from headrace.store.jobs import Departure
from headrace.store.landings import Landing
from headrace.usage import NO_USAGE, Usage
from worker.call import Answer, Caller, Lost, Result
from worker.landing import Landed, Lander
from worker.verdict import Circumstances, Pause, Verdict, judge

log = logging.getLogger(__name__)


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
        self._greenlets = Group()

    def take_off(self, booked: Booked, delay_seconds: float) -> None:
        """Call after a delay, at the job's slot."""
        greenlet = Greenlet(self._fly, booked)
        self._greenlets.add(greenlet)
        greenlet.start_later(max(0.0, delay_seconds))

    def wait(self, seconds: float) -> bool:
        """Until every call has ended, but not longer; whether they have."""
        self._greenlets.join(timeout=seconds)
        return len(self._greenlets) == 0

    def _fly(self, booked: Booked) -> None:
        leaving, route = booked.leaving, booked.route
        result = self._call(leaving, route)
        verdict = judge(result, _circumstances(leaving, booked.welcome()))
        if verdict.pause:
            self._close(route, leaving.claim.lane, verdict.pause)
        if isinstance(result, Answer):
            booked.learn(result, verdict.usage or NO_USAGE)
        landing = _landing(leaving, verdict, result)
        self._lander.add(Landed(landing, route.quota, _settled(leaving, verdict), booked.ended))

    def _call(self, leaving: Departure, route: Route) -> Result:
        claim = leaving.claim
        try:
            return self._caller.call(route, claim.endpoint, claim.body, leaving.attempt_id)
        except Exception as error:
            # A fault of ours must not leave the job running for ever.
            log.exception("the call of job %d failed in our own code", claim.job_id)
            return Lost("internal_error", f"headrace failed: {type(error).__name__}")

    def _close(self, route: Route, lane: str, pause: Pause) -> None:
        log.warning("quota %s closed for %.1f s", route.quota.name, pause.seconds)
        try:
            self._limiter.pause(
                route.quota, pause.seconds, pause.reason, lane=lane if pause.lane_only else None
            )
        except Unavailable as error:
            log.warning("%s; other workers do not know of the pause", error)


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
        request_id=result.headers.get("x-request-id") if isinstance(result, Answer) else None,
        answer=verdict.answer,
        error_code=verdict.code,
        error_message=verdict.message,
        notice=verdict.notice,
    )


def _settled(leaving: Departure, verdict: Verdict) -> Settled:
    """What is not known stays as it was booked; what was refused used no tokens."""
    if verdict.usage is None:
        return Settled(leaving.attempt_id, 0)
    used = verdict.usage.total_tokens - leaving.tokens_booked
    return Settled(leaving.attempt_id, used, sent=verdict.outcome is not Outcome.NOT_SENT)
