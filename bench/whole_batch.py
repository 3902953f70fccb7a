"""One batch from its upload to the last byte of its results, and the memory that its steps take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import requests
from rich.status import Status
from rich.table import Table

from bench.batch_run import BatchRun
from bench.memory import MemoryMeter
from headrace.client import BatchView
from headrace.embedded import Stack
from headrace.settings import MEBIBYTE

PARTS = ("api", "worker")
SLOWEST_PER_SECOND = 50
SLACK_SECONDS = 120.0
DOWNLOAD_TIMEOUT = (5.0, 60.0)


@dataclass
class WholeBatch:
    """What was seen of one batch. `seconds` and `memory` are by step; memory is in bytes, by process."""

    jobs: int
    succeeded: int = 0
    answered: int = 0
    output_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def most_bytes(self) -> dict[str, int]:
        """The most memory of each process."""
        steps = list(self.memory.values())
        return {name: max(step[name] for step in steps) for name in steps[0]}

    @contextmanager
    def step(self, stack: Stack, name: str) -> Iterator[None]:
        """Note how long the block takes, and the most memory that API and workers have meanwhile."""
        meter = MemoryMeter({part: pid for part, pid in stack.pids.items() if part.startswith(PARTS)})
        began = time.monotonic()
        with meter.watching():
            yield
        self.seconds[name] = time.monotonic() - began
        self.memory[name] = meter.most_bytes


def growth(small: WholeBatch, large: WholeBatch) -> dict[str, int]:
    """How much more memory each process had for the large batch, in bytes."""
    return {name: most - small.most_bytes[name] for name, most in large.most_bytes.items()}


def whole_batch(stack: Stack, source: Path, jobs: int, status: Status) -> WholeBatch:
    """Upload `source`, have it checked and run, download its output file, read its results once more."""
    found, run = WholeBatch(jobs), BatchRun(stack)
    seconds = jobs / SLOWEST_PER_SECOND + SLACK_SECONDS
    with found.step(stack, "upload"):
        run.submit(source)
    with found.step(stack, "check"):
        run.wait_started(seconds)
    with found.step(stack, "run"):
        batch = run.wait(seconds, status)
    with found.step(stack, "download"):
        _download(stack, batch, found)
    with found.step(stack, "results"):
        run.answers()
    found.succeeded = batch.succeeded
    return found


def _download(stack: Stack, batch: BatchView, found: WholeBatch) -> None:
    api, seen = f"{stack.base_url}/v1", set[str]()
    headers = {"authorization": f"Bearer {stack.api_key}"}
    shown = requests.get(f"{api}/batches/{batch.id}", headers=headers, timeout=DOWNLOAD_TIMEOUT).json()
    url = f"{api}/files/{shown['output_file_id']}/content"
    with requests.get(url, headers=headers, stream=True, timeout=DOWNLOAD_TIMEOUT) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines(MEBIBYTE):
            found.output_bytes += len(line) + 1
            seen.add(orjson.loads(line)["custom_id"])
    found.answered = len(seen)


def steps_table(found: WholeBatch, title: str) -> Table:
    """Seconds and MiB of each step."""
    table = Table("", *found.seconds, title=title)
    table.add_row("time", *(f"{seconds:.1f} s" for seconds in found.seconds.values()))
    for name in found.most_bytes:
        table.add_row(f"most memory of {name}", *(_mib(step[name]) for step in found.memory.values()))
    return table


def growth_table(small: WholeBatch, large: WholeBatch) -> Table:
    """The most memory of each process for both batches."""
    table = Table("most memory", f"{small.jobs:,} lines", f"{large.jobs:,} lines", "more")
    for name, more in growth(small, large).items():
        table.add_row(name, _mib(small.most_bytes[name]), _mib(large.most_bytes[name]), _mib(more))
    return table


def _mib(size: int) -> str:
    return f"{size / MEBIBYTE:.0f} MiB"
