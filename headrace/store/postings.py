"""What each attempt adds to the sums: to those of its hour, of its batch, and of its key's budgets."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from operator import add, attrgetter, neg
from typing import Any, NamedTuple

from headrace.pricing import Price
from headrace.states import Outcome
from headrace.usage import NO_USAGE, Usage

HOUR = 3600
SENT = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.AMBIGUOUS})
MAY_BE_PAID = frozenset({Outcome.SUCCEEDED, Outcome.AMBIGUOUS})


class Key(NamedTuple):
    """What the attempts of one row of `usage_hours` have in common."""

    hour: int
    api_key_id: str
    model: str
    price_id: str
    batch_id: str
    tags_id: str
    service_tier: str

    @classmethod
    def of(cls, attempt: Any, job: Any, service_tier: str = "") -> "Key":
        """That of an attempt (with `departed_at` and `price_id`) for a job that is locked."""
        return cls(
            hour_of(attempt.departed_at),
            job.api_key_id,
            job.lane,
            attempt.price_id or "",
            job.batch_id or "",
            job.tags_id,
            service_tier,
        )


class Posting(NamedTuple):
    """Sums of `usage_hours`, and what is reserved for calls under way. Taken back, all is negative."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_audio_tokens: int = 0
    completion_audio_tokens: int = 0
    cost_nanos: int = 0
    doubtful_calls: int = 0
    doubtful_tokens: int = 0
    doubtful_nanos: int = 0
    unpriced_calls: int = 0
    reserved_nanos: int = 0

    def plus(self, other: "Posting") -> "Posting":
        """Both together."""
        return Posting._make(map(add, self, other))

    def taken_back(self) -> "Posting":
        """What undoes it."""
        return Posting._make(map(neg, self))

    @property
    def spent_nanos(self) -> int:
        """What it costs, or can cost at most."""
        return self.cost_nanos + self.doubtful_nanos


NOTHING = Posting()
SUMS = Posting._fields[:-1]
TOKENS = SUMS[1:9]
Entries = list[tuple[Key, Posting]]

_tokens = attrgetter(*TOKENS)


@lru_cache(maxsize=1024)
def hour_of(departed_at: datetime) -> int:
    """Unix seconds of the beginning of its hour. Calls depart in groups, at one time each."""
    return int(departed_at.timestamp()) // HOUR * HOUR


def is_in_doubt(outcome: str, usage: Usage) -> bool:
    """Whether an attempt that ended so may have been paid for, nobody knows with how much."""
    return outcome in MAY_BE_PAID and usage == NO_USAGE


def cost_of(outcome: str, usage: Usage, service_tier: str, price: Price | None) -> int | None:
    """Nanos that an attempt cost which ended so; None if they are not exactly known."""
    if is_in_doubt(outcome, usage):
        return None
    if usage == NO_USAGE:
        return 0
    return price.cost(usage, service_tier) if price else None


def posting(attempt: Any, outcome: str, usage: Usage, cost_nanos: int | None, *, was_open: bool) -> Posting:
    """What an attempt adds that ended so; what was reserved for it while it was open is free.

    A cost that is not known counts as the most that it can be, also where only the price was not foreseen.
    """
    doubtful = is_in_doubt(outcome, usage)
    at_most = attempt.cost_at_most_nanos
    sums = (
        int(outcome in SENT),
        *_tokens(usage),
        cost_nanos or 0,
        int(doubtful),
        attempt.tokens_at_most if doubtful else 0,
        at_most or 0 if cost_nanos is None else 0,
        int(cost_nanos is None and at_most is None),
        -(at_most or 0) if was_open else 0,
    )
    return Posting._make(sums)


def lost(attempt: Any, *, was_open: bool) -> Posting:
    """What an attempt adds whose worker died: it may cost what it can cost at most."""
    return posting(attempt, Outcome.AMBIGUOUS, NO_USAGE, None, was_open=was_open)


def total(postings: Iterable[Posting]) -> Posting:
    """All together."""
    columns = [sum(column) for column in zip(*postings, strict=True)]
    return Posting._make(columns) if columns else NOTHING


def summed(entries: Iterable[tuple[Key, Posting]]) -> dict[Key, Posting]:
    """By key, in one order everywhere, without what changes nothing."""
    groups: dict[Key, list[Posting]] = defaultdict(list)
    for key, one in entries:
        groups[key].append(one)
    sums = ((key, total(groups[key])) for key in sorted(groups))
    return {key: one for key, one in sums if one != NOTHING}


def by_batch(entries: Iterable[tuple[Key, Posting]]) -> dict[str, Posting]:
    """The sums of each batch, in one order everywhere, without jobs that have none."""
    groups: dict[str, list[Posting]] = defaultdict(list)
    for key, one in entries:
        if key.batch_id:
            groups[key.batch_id].append(one)
    return {batch_id: total(groups[batch_id]) for batch_id in sorted(groups)}
