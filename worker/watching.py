"""Who is dead: a worker whose counter stood still for a lease while our own moved."""

import time
from collections.abc import Mapping
from typing import NamedTuple

OWN_BEATS = 3


class _Seen(NamedTuple):
    """A worker's counter, when we first saw it there, and where our own counter stood then."""

    counter: int
    at: float
    own: int


class Watch:
    """Watches the workers' counters by its own monotonic clock.

    Somebody whose own counter did not move has no say: the database may have been locked or away for all, or
    this process was the one that stood still.
    """

    def __init__(self, worker_id: str, lease_seconds: float) -> None:
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._seen: dict[str, _Seen] = {}

    def dead(self, counters: Mapping[str, int]) -> dict[str, int]:
        """Take in a look at all counters; those that stood still too long, and where."""
        own = counters.get(self._worker_id)
        if own is None:  # we are the ones that were given up
            self._seen = {}
            return {}
        look = {worker: _Seen(counter, time.monotonic(), own) for worker, counter in counters.items()}
        self._seen = {worker: self._first(worker, now) for worker, now in look.items()}
        return {worker: now.counter for worker, now in look.items() if self._is_dead(worker, now)}

    def _first(self, worker: str, now: _Seen) -> _Seen:
        before = self._seen.get(worker)
        return before if before and before.counter == now.counter and before.own <= now.own else now

    def _is_dead(self, worker: str, now: _Seen) -> bool:
        since = self._seen[worker]
        return now.at - since.at > self._lease_seconds and now.own - since.own >= OWN_BEATS
