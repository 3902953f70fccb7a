"""Requests, tokens and calls in flight of one account together."""

from headrace.simulator.config import SimulatorConfig
from headrace.simulator.limits import Refusal, Window, make_window


class Limiter:
    """Refuses what does not fit. Checking and charging are apart, so a refused request counts nothing."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.requests = self._window(config, config.rpm)
        self.tokens = self._window(config, config.tpm)
        self.in_flight = 0
        self._max_in_flight = config.max_in_flight
        self._count_refused = config.count_refused

    def check(self, now: float, tokens: int) -> Refusal | None:
        """None if one request of this many tokens may come in at `now` (seconds, steady clock)."""
        refusal = self._refusal(now, tokens)
        if refusal is not None and self._count_refused and self.requests is not None:
            self.requests.take(now, 1)
        return refusal

    def charge(self, now: float, tokens: int) -> None:
        """Count one request of this many tokens."""
        if self.requests is not None:
            self.requests.take(now, 1)
        if self.tokens is not None:
            self.tokens.take(now, tokens)

    def _refusal(self, now: float, tokens: int) -> Refusal | None:
        if self._max_in_flight is not None and self.in_flight >= self._max_in_flight:
            return Refusal("in_flight", self._max_in_flight, self.in_flight, 1, 0.0)
        # Tokens first: what can never fit must hear so, and not that it should come back later.
        for kind, window, amount in (
            ("tokens", self.tokens, tokens),
            ("requests", self.requests, 1),
        ):
            if window is not None and (wait := window.wait(now, amount)) > 0:
                return Refusal(
                    kind,
                    window.limit,
                    window.limit - window.remaining(now),
                    amount,
                    wait,
                )
        return None

    @staticmethod
    def _window(config: SimulatorConfig, limit: int | None) -> Window | None:
        return None if limit is None else make_window(config.window, limit, config.burst_seconds)
