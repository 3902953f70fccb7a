"""How providers count a minute. Pure: every method takes the time, in seconds of any steady clock."""

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

WindowKind = Literal["rolling", "fixed", "bucket"]

WINDOW_SECONDS = 60.0


class Window(Protocol):
    """One allowance: `limit` units a minute."""

    limit: int

    def remaining(self, now: float) -> int:
        """Units that can be taken at once."""

    def wait(self, now: float, amount: int) -> float:
        """Seconds until `amount` fits; 0 if it fits now, infinity if it never will."""

    def take(self, now: float, amount: int) -> None:
        """Count `amount`, whether it fits or not."""

    def reset(self, now: float) -> float:
        """Seconds until the whole allowance is free again."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not let in. `wait` is in seconds; infinity if it can never be let in."""

    kind: str  # "requests", "tokens" or "in_flight"
    limit: int
    used: int
    requested: int
    wait: float


class RollingWindow:
    """Strict log of the last 60 s: no interval [t, t + 60) ever holds more than `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._log: deque[tuple[float, int]] = deque()
        self._used = 0

    def remaining(self, now: float) -> int:
        self._forget(now)
        return max(0, self.limit - self._used)

    def wait(self, now: float, amount: int) -> float:
        self._forget(now)
        excess = self._used + amount - self.limit
        if excess <= 0:
            return 0.0
        for at, taken in self._log:
            excess -= taken
            if excess <= 0:
                return at + WINDOW_SECONDS - now
        return inf

    def take(self, now: float, amount: int) -> None:
        if amount:
            self._log.append((now, amount))
            self._used += amount

    def reset(self, now: float) -> float:
        self._forget(now)
        return self._log[-1][0] + WINDOW_SECONDS - now if self._log else 0.0

    def _forget(self, now: float) -> None:
        while self._log and self._log[0][0] + WINDOW_SECONDS <= now:
            self._used -= self._log.popleft()[1]


class FixedWindow:
    """Minutes of the clock: everything is free again when the next one begins."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._minute = -inf
        self._used = 0

    def remaining(self, now: float) -> int:
        self._turn(now)
        return max(0, self.limit - self._used)

    def wait(self, now: float, amount: int) -> float:
        if amount > self.limit:
            return inf
        return 0.0 if amount <= self.remaining(now) else self._rest(now)

    def take(self, now: float, amount: int) -> None:
        self._turn(now)
        self._used += amount

    def reset(self, now: float) -> float:
        self._turn(now)
        return self._rest(now) if self._used else 0.0

    def _turn(self, now: float) -> None:
        minute = now // WINDOW_SECONDS
        if minute != self._minute:
            self._minute, self._used = minute, 0

    def _rest(self, now: float) -> float:
        return (now // WINDOW_SECONDS + 1) * WINDOW_SECONDS - now


class RefillingBucket:
    """Refills all the time, and holds `burst_seconds` of it. When full it lets in more, on credit."""

    def __init__(self, limit: int, burst_seconds: float = WINDOW_SECONDS) -> None:
        self.limit = limit
        self._rate = limit / WINDOW_SECONDS
        self._capacity = max(1.0, self._rate * burst_seconds)
        self._level = self._capacity
        self._at = -inf

    def remaining(self, now: float) -> int:
        self._refill(now)
        return max(0, int(self._level))

    def wait(self, now: float, amount: int) -> float:
        if amount > self.limit:
            return inf
        self._refill(now)
        return max(0.0, (min(amount, self._capacity) - self._level) / self._rate)

    def take(self, now: float, amount: int) -> None:
        self._refill(now)
        self._level = max(self._level - amount, -float(self.limit))

    def reset(self, now: float) -> float:
        self._refill(now)
        return (self._capacity - self._level) / self._rate

    def _refill(self, now: float) -> None:
        if self._at != -inf:
            self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now


def make_window(kind: WindowKind, limit: int, burst_seconds: float = WINDOW_SECONDS) -> Window:
    """The window called `rolling`, `fixed` or `bucket`."""
    if kind == "rolling":
        return RollingWindow(limit)
    if kind == "fixed":
        return FixedWindow(limit)
    return RefillingBucket(limit, burst_seconds)
