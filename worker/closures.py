"""What this process knows to be closed: calls that are booked already must not leave for it."""

import time


class Closures:
    """Quotas and lanes that were closed by an answer to this process, each until a monotonic time."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str | None], float] = {}

    def close(self, quota: str, lane: str | None, seconds: float) -> None:
        """Closed from now on; `lane` None is the whole quota. It never shortens another."""
        until = time.monotonic() + seconds
        self._until[quota, lane] = max(until, self._until.get((quota, lane), 0.0))

    def holds(self, quota: str, lane: str, slot: float) -> bool:
        """Whether a call of the lane must not go at `slot`, in seconds of the monotonic clock."""
        return slot < max(self._until.get((quota, None), 0.0), self._until.get((quota, lane), 0.0))
