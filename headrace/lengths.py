"""How long a model's answers are: what was seen of it, or a modest guess."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

UNLEARNED_COMPLETION = 256
LEAST_LEARNED = 5
SHORT_SHARE = 0.1
LONG_SHARE = 0.95
SHORT_PART = 5  # of what is expected, where no single answer was seen
LONG_TIMES = 4


class Range(NamedTuple):
    """A number that is not known yet."""

    low: int
    expected: int
    high: int

    def __add__(self, other: object) -> "Range":
        if not isinstance(other, Range):
            return NotImplemented
        return Range(self.low + other.low, self.expected + other.expected, self.high + other.high)


NOTHING = Range(0, 0, 0)


class Lengths:
    """Completion tokens of answers that a model gave; or only their mean, or nothing at all."""

    def __init__(self, seen: Iterable[int] = (), mean: float | None = None) -> None:
        self._seen = sorted(seen)
        if len(self._seen) < LEAST_LEARNED:
            self._seen = []
        self._sums = [0, *accumulate(self._seen)]
        self._mean = mean
        self.is_learned = bool(self._seen) or mean is not None

    def of(self, cap: int | None, answers: int = 1) -> Range:
        """Completion tokens of one call that may write `cap` tokens at most, in so many answers.

        High is the cap where there is one, and else what 95 % of the answers stay below.
        """
        short, expected, long = self._of_seen(cap) if self._seen else self._of_mean(cap, answers)
        long = long if cap is None else cap
        return Range(min(short, expected), expected, max(long, expected))

    def _of_seen(self, cap: int | None) -> tuple[int, int, int]:
        count = len(self._seen)
        within = count if cap is None else bisect_left(self._seen, cap)
        total = self._sums[within] + (count - within) * (cap or 0)
        return self._percentile(SHORT_SHARE), round(total / count), self._percentile(LONG_SHARE)

    def _of_mean(self, cap: int | None, answers: int) -> tuple[int, int, int]:
        mean = round(UNLEARNED_COMPLETION * answers if self._mean is None else self._mean)
        mean = mean if cap is None else min(mean, cap)
        return mean // SHORT_PART, mean, mean * LONG_TIMES

    def _percentile(self, share: float) -> int:
        return self._seen[min(len(self._seen) - 1, int(len(self._seen) * share))]


class Experience(NamedTuple):
    """What is known of a model: how long its answers are, and how many seconds a call takes."""

    lengths: Lengths
    call_seconds: float | None = None


NEW = Experience(Lengths())
