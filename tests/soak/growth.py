"""Whether memory, descriptors and threads stayed flat (row 35)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from statistics import median, quantiles
from typing import NamedTuple

from tests.soak.samples import Sample

POOLED = 50  # connections more or less that the pools of a worker keep: Redis, database, provider
WARM_SECONDS = 20.0
YOUNG_UNTIL_SECONDS = 60.0
OLD_SECONDS = 120.0
FEWEST = 5


class Growth(NamedTuple):
    """What a measure was earlier and later in the life of a process, and whether that is tolerated."""

    process: str
    measure: str
    first: float
    last: float
    is_flat: bool


class Measure(NamedTuple):
    """What is typical of many samples, and how much more than the `first` of two may come later."""

    typical: Callable[[Sequence[float]], float]
    most: Callable[[float], float]


def _mostly_at_least(values: Sequence[float]) -> float:
    """The lower quartile: pools keep the connections of a busy moment until the network breaks them."""
    return quantiles(values, n=4, method="inclusive")[0]


MEASURES = {
    "rss_mib": Measure(median, lambda first: first * 1.15 + 12),
    "descriptors": Measure(_mostly_at_least, lambda first: first + POOLED),
    "threads": Measure(median, lambda first: first + 2),
}


def growths(samples: Sequence[Sample], spared: Collection[str]) -> list[Growth]:
    """How the processes grew, where there are samples enough.

    Those with the names `spared` live as long as the soak: each is compared with itself, in the second fifth
    of the time and in the last one. The others are killed: of each kind, the young are compared with the old.
    """
    if not samples:
        return []
    begin, end = samples[0].at, samples[-1].at
    found = []
    for name in sorted(spared):
        own = [one for one in samples if one.name == name and one.age >= WARM_SECONDS]
        shares = [(one, (one.at - begin) / ((end - begin) or 1)) for one in own]
        first = [one for one, share in shares if 0.2 <= share < 0.4]
        found += _compared(name, first, [one for one, share in shares if share >= 0.8])
    kinds: dict[str, list[Sample]] = defaultdict(list)
    for one in samples:
        if one.name not in spared:
            kinds[one.name.partition("-")[0]].append(one)
    for kind, of_kind in sorted(kinds.items()):
        young = [one for one in of_kind if WARM_SECONDS <= one.age < YOUNG_UNTIL_SECONDS]
        found += _compared(f"{kind}, by age", young, [one for one in of_kind if one.age >= OLD_SECONDS])
    return found


def replaced(samples: Sequence[Sample], spared: Collection[str]) -> list[str]:
    """Those of the `spared` that did not live as long as the soak."""
    lives = {name: {one.pid for one in samples if one.name == name} for name in spared}
    return sorted(name for name, pids in lives.items() if len(pids) != 1)


def _compared(process: str, first: Sequence[Sample], last: Sequence[Sample]) -> list[Growth]:
    if min(len(first), len(last)) < FEWEST:
        return []
    found = []
    for name, measure in MEASURES.items():
        before, after = (measure.typical([getattr(one, name) for one in group]) for group in (first, last))
        flat = after <= measure.most(before)
        found.append(Growth(process, name, round(before, 1), round(after, 1), flat))
    return found
