"""The stop flag of a worker process, and the promise that it ends in time."""

import signal

from gevent.event import Event

WATCHDOG_MARGIN_SECONDS = 5


class StopFlag:
    """Set once, seen by every loop at once."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self, grace_seconds: float) -> None:
        """Ask all loops to end; the kernel ends a process that outlives its grace, even one that hangs."""
        self._event.set()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(grace_seconds) + WATCHDOG_MARGIN_SECONDS)

    def is_set(self) -> bool:
        """Whether the process is stopping."""
        return bool(self._event.is_set())

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past the stop; whether the process is stopping."""
        return bool(self._event.wait(seconds))
