"""The stop flag of a worker process, and the promise that it ends in time."""

import signal
import time

from gevent.event import Event

WATCHDOG_MARGIN_SECONDS = 4.5


class StopFlag:
    """Set once, seen by every loop at once."""

    def __init__(self) -> None:
        self._event = Event()
        self._end = 0.0

    def set(self, grace_seconds: float) -> None:
        """Ask all loops to end; the kernel ends a process that outlives its grace, even one that hangs.

        Only the first time counts: whoever asks again gets no longer a grace.
        """
        if self.is_set():
            return
        self._end = time.monotonic() + grace_seconds
        self._event.set()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, grace_seconds + WATCHDOG_MARGIN_SECONDS)

    def is_set(self) -> bool:
        """Whether the process is stopping."""
        return bool(self._event.is_set())

    def left(self) -> float:
        """Seconds of the grace that are left."""
        return max(0.0, self._end - time.monotonic())

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past the stop; whether the process is stopping."""
        return bool(self._event.wait(seconds))
