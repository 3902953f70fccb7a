"""What the simulator's log says of the limits: how much of them was used, and how much in any one minute."""

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

MINUTE_SECONDS = 60.0
TOO_MANY_REQUESTS = 429
DRAIN_TAIL = 0.01


class Call(NamedTuple):
    """A call as the provider saw it: its arrival in Unix seconds, its tokens, whether it met a 429."""

    arrived: float
    tokens: int
    refused: bool


def read_calls(log: Path) -> list[Call]:
    """All calls of a witness log, as they arrived."""
    with log.open("rb") as lines:
        events = [orjson.loads(line) for line in lines]
    statuses = {event["seq"]: event["status"] for event in events if event["event"] == "ended"}
    return [
        Call(event["time"], event["usage"]["total_tokens"], statuses.get(event["seq"]) == TOO_MANY_REQUESTS)
        for event in events
        if event["event"] == "received" and event["usage"] is not None
    ]


def admitted(calls: Iterable[Call]) -> list[Call]:
    """Those that counted against the limits."""
    return [call for call in calls if not call.refused]


def used_share(arrivals: Sequence[float], units: Sequence[int], limit: int) -> float:
    """The share of an allowance of `limit` units a minute that was used while the queue was saturated.

    It is saturated from the first call until all but the last hundredth of the calls have arrived: until then
    a job was waiting for its turn. In the drain tail behind that there may be too few jobs to fill the
    allowance. Each call stands for the time from its arrival to the next one's, so the last of them counts as
    the end of the span and not in the sum.
    """
    last = len(arrivals) - 1 - int(len(arrivals) * DRAIN_TAIL)
    if last < 1:
        raise ValueError("a share needs two calls at least")
    span_seconds = arrivals[last] - arrivals[0]
    return sum(units[:last]) / (limit * span_seconds / MINUTE_SECONDS)


def rolling_maximum(
    arrivals: Sequence[float], units: Sequence[int], window_seconds: float = MINUTE_SECONDS
) -> int:
    """The most units in any interval [t, t + 60 s), or as long as the window is."""
    window: deque[tuple[float, int]] = deque()
    held = most = 0
    for arrived, amount in zip(arrivals, units, strict=True):
        while window and window[0][0] + window_seconds <= arrived:
            held -= window.popleft()[1]
        window.append((arrived, amount))
        held += amount
        most = max(most, held)
    return most
