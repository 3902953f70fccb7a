"""I6: what arrived at the provider in any window, against the limits."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bench.witness import MINUTE_SECONDS, rolling_maximum
from tests.witness import Call

TOO_MANY_REQUESTS = 429
WINDOWS_SECONDS = (60.0, 20.0, 5.0)
LATE_SECONDS = 1.0


class Limits(NamedTuple):
    """What the provider allows a minute, and how long a burst may be."""

    rpm: int | None = None
    tpm: int | None = None
    burst_seconds: float = 1.0


def above(limits: Limits, calls: Iterable[Call]) -> Iterator[str]:
    """The windows with more than their limit, a burst and one request.

    A refused request counts as a request too. In windows below a minute calls may also be late by a second,
    as they are on a busy machine.
    """
    ordered = sorted(calls, key=lambda call: call.at)
    arrivals = [call.at for call in ordered]
    requests = [1] * len(ordered)
    tokens = [0 if call.status == TOO_MANY_REQUESTS else call.tokens for call in ordered]
    for name, limit, units in (("requests", limits.rpm, requests), ("tokens", limits.tpm, tokens)):
        for window in WINDOWS_SECONDS if limit and units else ():
            late = 0.0 if window == MINUTE_SECONDS else LATE_SECONDS
            allowed = (limit or 0) / MINUTE_SECONDS * (window + limits.burst_seconds + late) + max(units)
            most = rolling_maximum(arrivals, units, window)
            if most > allowed:
                yield f"I6 {most} {name} in {window:g} s, and {allowed:.0f} are allowed"
