"""I6: what arrived at the provider in any window, against the limits."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bench.witness import MINUTE_SECONDS
from tests.witness import Call

TOO_MANY_REQUESTS = 429
WINDOWS_SECONDS = (60.0, 20.0, 5.0)
LATE_SECONDS = 1.0


class HeldUp(NamedTuple):
    """A fault from `since` to `until` (Unix time): calls of so many seconds may come with those behind it."""

    since: float
    until: float
    seconds: float


class Limits(NamedTuple):
    """What the provider allows a minute, how long a burst may be, and what held calls up on their way."""

    rpm: int | None = None
    tpm: int | None = None
    burst_seconds: float = 1.0
    held_up: Sequence[HeldUp] = ()


class Window(NamedTuple):
    """What arrived in the `seconds` before `end`, that moment included."""

    end: float
    seconds: float
    units: int


def above(limits: Limits, calls: Iterable[Call]) -> Iterator[str]:
    """The windows with more than their limit, a burst and one request; of each length the worst.

    A refused request counts as a request too. In windows below a minute calls may also be late by a second,
    as they are on a busy machine. A window that a fault touches which held calls up may hold these too.
    """
    ordered = sorted(calls, key=lambda call: call.at)
    arrivals = [call.at for call in ordered]
    requests = [1] * len(ordered)
    tokens = _tokens(ordered)
    for name, limit, units in (("requests", limits.rpm, requests), ("tokens", limits.tpm, tokens)):
        for seconds in WINDOWS_SECONDS if limit and units else ():
            full = list(windows(arrivals, units, seconds))
            allowed = [(limit or 0) / MINUTE_SECONDS * _allowance(limits, one) + max(units) for one in full]
            over, most, at = max((one.units - may, may, one) for one, may in zip(full, allowed, strict=True))
            if over > 0:
                yield f"I6 {at.units} {name} in {seconds:g} s, and {most:.0f} are allowed, until {at.end:.3f}"


def busiest(calls: Iterable[Call]) -> tuple[int, int]:
    """The most requests in any minute, and the most tokens."""
    ordered = sorted(calls, key=lambda call: call.at)
    arrivals = [call.at for call in ordered]
    requests = windows(arrivals, [1] * len(ordered), MINUTE_SECONDS)
    tokens = windows(arrivals, _tokens(ordered), MINUTE_SECONDS)
    return max((one.units for one in requests), default=0), max((one.units for one in tokens), default=0)


def windows(arrivals: Sequence[float], units: Sequence[int], seconds: float) -> Iterator[Window]:
    """One that ends with each arrival; `arrivals` in their order."""
    inside: deque[tuple[float, int]] = deque()
    held = 0
    for arrived, amount in zip(arrivals, units, strict=True):
        inside.append((arrived, amount))
        held += amount
        while inside[0][0] + seconds <= arrived:
            held -= inside.popleft()[1]
        yield Window(arrived, seconds, held)


def _tokens(calls: Iterable[Call]) -> list[int]:
    return [0 if call.status == TOO_MANY_REQUESTS else call.tokens for call in calls]


def _allowance(limits: Limits, window: Window) -> float:
    """The seconds of the limit's rate that a window may hold."""
    begin = window.end - window.seconds
    # What was held up comes when the fault is over, in a moment and not before it.
    touching = [
        one for one in limits.held_up if one.since <= window.end and begin <= one.until + LATE_SECONDS
    ]
    late = 0.0 if window.seconds == MINUTE_SECONDS else LATE_SECONDS
    return window.seconds + limits.burst_seconds + late + sum(each.seconds for each in touching)
