"""Flat in size: the memory of API and workers while a batch of 500,000 jobs goes through.

A batch of 5,000 goes first, through the same processes. What they need more for the large one is what the
number of its lines costs. Both are checked, run, written to files, downloaded and read as results.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.inputs import write_input
from bench.provider_process import ProviderProcess
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from bench.whole_batch import WholeBatch, growth, growth_table, steps_table, whole_batch
from headrace.embedded import Stack
from headrace.settings import MEBIBYTE

JOBS = 500_000
SMALL = 5_000
WORKERS = 2
IN_FLIGHT = 400
LATENCY_MS = 50.0
MOST_GROWTH = 100 * MEBIBYTE
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Findings:
    """What the small batch took, and the large one; the most bytes of the write-ahead log of SQLite."""

    small: WholeBatch
    large: WholeBatch
    wal_bytes: int

    @property
    def growth(self) -> int:
        """Of all processes together, each at its most."""
        return sum(growth(self.small, self.large).values())


def measure(console: Console, jobs: int = JOBS) -> Report:
    """Run it: about ten minutes with the jobs that the promise names."""
    with (
        bench_folder() as folder,
        ProviderProcess(latency_ms=LATENCY_MS) as provider,
        console.status("") as status,
    ):
        source, small = folder / "input.jsonl", folder / "small.jsonl"
        write_input(source, jobs)
        write_input(small, SMALL)
        more = {"max_batch_lines": max(jobs, SMALL)}
        with running_stack(
            folder, provider.base_url, workers=WORKERS, more=more, max_in_flight=IN_FLIGHT
        ) as stack:
            before = whole_batch(stack, small, SMALL, status)
            with _watched_wal(stack) as wal:
                after = whole_batch(stack, source, jobs, status)
    return report(Findings(before, after, max(wal)))


def report(found: Findings) -> Report:
    """The findings, and what is promised."""
    large, more = found.large, f"{found.growth / MEBIBYTE:.0f} MiB"
    answered = f"{large.answered:,}"
    promises = [
        Promise("answers in the output file", answered, f"{large.jobs:,}", large.answered == large.jobs),
        Promise("growth in memory, all together", more, "at most 100 MiB", found.growth <= MOST_GROWTH),
    ]
    log = f"write-ahead log: at most {found.wal_bytes / MEBIBYTE:.0f} MiB"
    steps = steps_table(large, f"{large.jobs:,} lines; {log}")
    figures = {
        "jobs": large.jobs,
        "seconds": large.seconds,
        "most_bytes_small": found.small.most_bytes,
        "most_bytes_large": large.most_bytes,
        "bytes_by_step": large.memory,
        "wal_bytes": found.wal_bytes,
    }
    return Report("size", [steps, growth_table(found.small, large)], figures, promises)


@contextmanager
def _watched_wal(stack: Stack) -> Iterator[list[int]]:
    """Its sizes, twice a second: a log that grows and grows is never copied back."""
    sizes, ended = [0], threading.Event()
    path = Path(f"{stack.settings.database.removeprefix('sqlite:///')}-wal")

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            if path.exists():
                sizes.append(path.stat().st_size)

    watcher = threading.Thread(target=watch, name="wal", daemon=True)
    watcher.start()
    try:
        yield sizes
    finally:
        ended.set()
        watcher.join()
