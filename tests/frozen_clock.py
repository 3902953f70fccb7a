"""A clock for tests that say what time it is."""

from datetime import UTC, datetime

START = datetime(2030, 1, 1, tzinfo=UTC)


class Frozen:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.time = START

    def now(self):
        return self.time

    def look(self, _ask):
        """Nobody is asked."""
