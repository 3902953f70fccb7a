"""Memory, descriptors and threads of the processes, and whether they stayed flat."""

import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
TICKS = os.sysconf("SC_CLK_TCK")
WARM_SECONDS = 20.0
AGES_SECONDS = (20.0, 60.0, 180.0, 600.0)  # a process is compared with others that are about as old
FEWEST = 3


class Sample(NamedTuple):
    """One look at one process."""

    at: float
    kind: str
    age: float
    rss_mib: float
    descriptors: int
    threads: int


class Growth(NamedTuple):
    """The medians of a measure in the first and in the last third, and whether the growth is tolerated."""

    kind: str
    age: float
    measure: str
    first: float
    last: float
    is_flat: bool


TOLERATED: dict[str, Callable[[float], float]] = {
    "rss_mib": lambda first: first * 1.15 + 12,
    "descriptors": lambda first: first + 15,
    "threads": lambda first: first + 2,
}


def look(pids: dict[str, int]) -> list[Sample]:
    """Those of the processes that are there; `worker-1` and `worker-2` are of one kind."""
    found = []
    for name, pid in pids.items():
        try:
            found.append(_sample(name.partition("-")[0], Path(f"/proc/{pid}")))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it was killed just now
    return found


def growths(samples: list[Sample]) -> list[Growth]:
    """By kind of process and age, where both thirds have samples enough."""
    if not samples:
        return []
    begin, end = samples[0].at, samples[-1].at
    first_until, last_from = begin + (end - begin) / 3, end - (end - begin) / 3
    groups: dict[tuple[str, float], tuple[list[Sample], list[Sample]]] = defaultdict(lambda: ([], []))
    for sample in samples:
        if sample.age >= WARM_SECONDS and not first_until < sample.at < last_from:
            age = max(known for known in AGES_SECONDS if known <= sample.age)
            groups[sample.kind, age][sample.at >= last_from].append(sample)
    return [
        _growth(kind, age, measure, first, last)
        for (kind, age), (first, last) in sorted(groups.items())
        if min(len(first), len(last)) >= FEWEST
        for measure in TOLERATED
    ]


def _growth(kind: str, age: float, measure: str, first: list[Sample], last: list[Sample]) -> Growth:
    before, after = (median(getattr(sample, measure) for sample in third) for third in (first, last))
    return Growth(kind, age, measure, round(before, 1), round(after, 1), after <= TOLERATED[measure](before))


def _sample(kind: str, proc: Path) -> Sample:
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / TICKS
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    resident = int((proc / "statm").read_text().split()[1])
    descriptors = len(list((proc / "fd").iterdir()))
    return Sample(time.time(), kind, uptime - started, resident * PAGE_MIB, descriptors, int(fields[17]))
