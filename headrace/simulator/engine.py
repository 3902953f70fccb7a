"""A well-formed call: let in or refused, delayed, and answered, well or badly."""

import time
from functools import partial

from headrace.simulator.config import SimulatorConfig
from headrace.simulator.delivery import Delivery
from headrace.simulator.errors import ApiError, rate_limited
from headrace.simulator.faults import REFUSALS, FaultPicker, costs_tokens, fault_error
from headrace.simulator.generation import write
from headrace.simulator.ledger import Ledger
from headrace.simulator.limiter import Limiter
from headrace.simulator.reply import Reply, error_reply
from headrace.simulator.spoil import spoil
from headrace.simulator.visit import Visit, Work

SLOW_FACTOR = 10
# Charged by `--charge reserve` for a call that states no maximum.
DEFAULT_RESERVE_TOKENS = 16


class Engine:
    """Does the work of calls."""

    def __init__(self, config: SimulatorConfig, limiter: Limiter, ledger: Ledger, delivery: Delivery) -> None:
        self._config = config
        self._limiter = limiter
        self._ledger = ledger
        self._delivery = delivery
        self._faults = FaultPicker(config.faults, config.seed)

    def run(self, visit: Visit, work: Work) -> None:
        """Answer the call, now or later. Raises ApiError for a marker that names no fault."""
        tokens = self._tokens_charged(work)
        refusal = self._limiter.check(visit.arrived, tokens)
        if refusal is not None:
            self._ledger.rate_limited(visit)
            self._delivery.send(visit, error_reply(rate_limited(refusal, work.call.model)))
            return
        work.fault, turn = self._faults.pick(work.call.text, visit.digest)
        if work.fault is not None and work.fault.kind in REFUSALS:
            self._answer(visit, work)
            return
        self._enter(visit, tokens if costs_tokens(work.fault) else 0)
        visit.connection.on_lost = partial(self._abandon, visit, work)
        visit.connection.later(self._delay_seconds(work, turn), partial(self._finish, visit, work))

    def _tokens_charged(self, work: Work) -> int:
        if self._config.charge == "usage":
            return work.usage.total_tokens
        call = work.call
        return call.prompt_tokens + call.answers * (call.max_tokens or DEFAULT_RESERVE_TOKENS)

    def _enter(self, visit: Visit, tokens: int) -> None:
        self._limiter.charge(visit.arrived, tokens)
        self._limiter.in_flight += 1
        self._ledger.stats.admitted(visit.arrived, tokens, self._limiter.in_flight)

    def _delay_seconds(self, work: Work, turn: float) -> float:
        kind = work.fault.kind if work.fault else ""
        if kind == "reset":
            return 0.0
        config = self._config
        seconds = config.latency_ms / 1000 * (1 + config.latency_spread * (2 * turn - 1))
        return seconds * SLOW_FACTOR if kind == "slow" else seconds

    def _finish(self, visit: Visit, work: Work) -> None:
        self._limiter.in_flight -= 1
        visit.connection.on_lost = None
        self._answer(visit, work)

    def _abandon(self, visit: Visit, work: Work) -> None:
        self._limiter.in_flight -= 1
        self._ledger.abandoned(visit, work)

    def _answer(self, visit: Visit, work: Work) -> None:
        reply = _compose(visit, work)
        self._ledger.answered(visit, work, reply.status)
        self._delivery.send(visit, reply, work.fault.kind if work.fault else "")


def _compose(visit: Visit, work: Work) -> Reply:
    kind = ""
    if work.fault is not None:
        kind = work.fault.kind
        error: ApiError | None = fault_error(work.fault)
        if error is not None:
            return error_reply(error)
    write(work.choices, work.call.text, visit.digest, kind)
    ident = visit.digest.hex()[:24]
    return spoil(kind, work.endpoint.answer(work.call, work.choices, work.usage, ident, int(time.time())))
