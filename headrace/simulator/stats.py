"""What `GET /v1/simulator/stats` tells."""

from collections import Counter, defaultdict, deque
from operator import add

from headrace.simulator.call import Usage
from headrace.simulator.limits import WINDOW_SECONDS
from headrace.simulator.visit import Work


class Peak:
    """The most requests, and the most tokens, admitted in any 60 s."""

    def __init__(self) -> None:
        self.requests = 0
        self.tokens = 0
        self._log: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now: float, tokens: int) -> None:
        """Count one request of this many tokens at `now` (seconds, steady clock)."""
        log = self._log
        while log and log[0][0] + WINDOW_SECONDS <= now:
            self._sum -= log.popleft()[1]
        log.append((now, tokens))
        self._sum += tokens
        self.requests = max(self.requests, len(log))
        self.tokens = max(self.tokens, self._sum)


class Sum:
    """The usage of many calls."""

    def __init__(self) -> None:
        self._usage = Usage()

    def add(self, usage: Usage) -> None:
        """Count one more."""
        self._usage = Usage(*map(add, self._usage, usage))

    def as_dict(self) -> dict[str, int]:
        """The eight sums."""
        return self._usage.as_dict()


class ModelBill:
    """What was billed for one model. `nanos` is None if the model has no price."""

    def __init__(self) -> None:
        self._calls = 0
        self._usage = Sum()
        self._nanos: int | None = None

    def add(self, work: Work) -> None:
        """Count one more call."""
        self._calls += 1
        self._usage.add(work.usage)
        if work.cost is not None:
            self._nanos = (self._nanos or 0) + work.cost.nanos

    def as_dict(self) -> dict[str, int | None]:
        """Calls, the eight sums, and nanos."""
        return {"calls": self._calls, **self._usage.as_dict(), "nanos": self._nanos}


class Stats:
    """Counters over the calls of the four generating endpoints; `model_lists` is apart. After the last answer
    received = answered + rate_limited + rejected + abandoned + the faults that are no sound answers."""

    def __init__(self) -> None:
        self.received = 0
        self.answered = 0
        self.rate_limited = 0
        self.rejected = 0
        self.abandoned = 0
        self.model_lists = 0
        self.peak_in_flight = 0
        self.faults: Counter[str] = Counter()
        self.peak = Peak()
        self._usage = Sum()
        self._billed = Sum()
        self._billed_nanos = 0
        self._models: defaultdict[str, ModelBill] = defaultdict(ModelBill)

    def admitted(self, now: float, tokens: int, in_flight: int) -> None:
        """Count a call that the limits let in, as charged."""
        self.peak.add(now, tokens)
        self.peak_in_flight = max(self.peak_in_flight, in_flight)

    def bill(self, work: Work, *, answered: bool) -> None:
        """Add to what was billed, and to the usage of good answers if it was one."""
        self._billed.add(work.usage)
        self._billed_nanos += work.cost.nanos if work.cost else 0
        self._models[work.call.model].add(work)
        if answered:
            self.answered += 1
            self._usage.add(work.usage)

    def as_dict(self, in_flight: int) -> dict[str, object]:
        """For JSON. `usage` sums the good answers, `billed` all the work that was done.

        `billed_nanos` is what the priced part of that costs, in 1e-9 USD.
        """
        return {
            "received": self.received,
            "answered": self.answered,
            "rate_limited": self.rate_limited,
            "rejected": self.rejected,
            "abandoned": self.abandoned,
            "model_lists": self.model_lists,
            "faults": dict(self.faults),
            "usage": self._usage.as_dict(),
            "billed": self._billed.as_dict(),
            "billed_nanos": self._billed_nanos,
            "models": {name: model.as_dict() for name, model in self._models.items()},
            "peak_60s": {"requests": self.peak.requests, "tokens": self.peak.tokens},
            "in_flight": in_flight,
            "peak_in_flight": self.peak_in_flight,
        }
