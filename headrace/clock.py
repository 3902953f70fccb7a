"""The one source of wall-clock time: the database's, which every host shares.

Between two looks it goes by the time that passed, which nobody can set; so it does not matter whether the
clock of a host is right, and one that is put forward or back is noticed at the next look. Before the first
look, and on SQLite at each, the host's own clock is asked.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

LOOK_SECONDS = 10.0
LONGEST_LOOK_SECONDS = 1.0
# The one that goes on while a laptop sleeps: on Linux that is not the monotonic one.
_PASSING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Remembers what the last look said, and goes on from there."""

    def __init__(self, host: Callable[[], datetime], passed: Callable[[], float]) -> None:
        """`host` tells the host's time, `passed` the seconds since some fixed moment."""
        self._host = host
        self._passed = passed
        self._looked: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        if self._looked is None:
            return self._host()
        told, at = self._looked
        return told + timedelta(seconds=self._passed() - at)

    def look(self, ask: Callable[[], datetime]) -> None:
        """Ask for the time, unless that was done in the last ten seconds; never runs ahead of the answer."""
        if self._looked is not None and self._passed() - self._looked[1] < LOOK_SECONDS:
            return
        before = self._passed()
        told = ask()
        at = self._passed()
        if self._looked is None or at - before < LONGEST_LOOK_SECONDS:
            self._looked = told, at


def host() -> datetime:
    """What this host's clock says, right or wrong."""
    return datetime.now(UTC)


def now() -> datetime:
    """The current time, aware, in UTC."""
    return _clock.now()


def look(ask: Callable[[], datetime]) -> None:
    """Ask somebody who knows for the time, unless that was done lately."""
    _clock.look(ask)


_clock = Clock(host, lambda: time.clock_gettime(_PASSING))
