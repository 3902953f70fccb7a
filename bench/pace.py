"""How fast calls went, and what they cost."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Calls, the seconds from the start of the first to the end of the last, the CPU seconds of all."""

    calls: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds for one call."""
        return 1000 * self.cpu_seconds / self.calls
