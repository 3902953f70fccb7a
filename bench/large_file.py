"""The largest batch that the contract allows: 200 MiB, 50,000 lines; uploaded, checked, run, downloaded.

A small batch with lines of the same length goes first. What the processes need more for the large one is
what the size of a file costs: all of it is streamed, so that is to be little.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import requests
from rich.console import Console
from rich.status import Status
from rich.table import Table

from bench.batch_run import BatchRun
from bench.inputs import ENDPOINT, MODEL, custom_ids
from bench.memory import MemoryMeter
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from headrace.client import BatchView
from headrace.embedded import Stack
from headrace.settings import MEBIBYTE
from headrace.simulator import SimulatorConfig, SimulatorProcess

JOBS = 50_000
BYTES = 200 * MEBIBYTE
SMALL = 1_000
WORKERS = 2
IN_FLIGHT = 400
SLOWEST_PER_SECOND = 50
SLACK_SECONDS = 120.0
DOWNLOAD_TIMEOUT = (5.0, 60.0)
MOST_GROWTH = 100 * MEBIBYTE
PARTS = ("api", "worker")


@dataclass
class Findings:
    """Seconds of each step; the most memory of each process, for the small batch and for the large one."""

    jobs: int
    input_bytes: int
    succeeded: int = 0
    answered: int = 0
    output_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    small: dict[str, int] = field(default_factory=dict)
    large: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Note how long the block takes."""
        began = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - began

    @property
    def growth(self) -> int:
        """Of the process that grew most."""
        return max(self.large[name] - self.small[name] for name in self.large)


def measure(console: Console, jobs: int = JOBS) -> Report:
    """Run it: some minutes with the lines that the promise names."""
    found = Findings(jobs, BYTES * jobs // JOBS)
    with (
        bench_folder() as folder,
        SimulatorProcess(SimulatorConfig()) as simulator,
        console.status("") as status,
    ):
        source, small = folder / "input.jsonl", folder / "small.jsonl"
        write_padded(source, jobs, found.input_bytes)
        write_padded(small, SMALL, BYTES * SMALL // JOBS)
        with running_stack(folder, simulator.base_url, workers=WORKERS, max_in_flight=IN_FLIGHT) as stack:
            found.small = _watched(stack, Findings(SMALL, 0), small, status)
            found.large = _watched(stack, found, source, status)
    return report(found)


def write_padded(path: Path, jobs: int, size: int) -> None:
    """Batch lines of about one length, of exactly `size` bytes together."""
    with path.open("wb") as out:
        for number, custom_id in enumerate(custom_ids(jobs)):
            end = size * (number + 1) // jobs
            bare = len(_line(custom_id, ""))
            out.write(_line(custom_id, "x" * (end - out.tell() - bare)))


def report(found: Findings) -> Report:
    """The findings, and what is promised."""
    growth = found.growth / MEBIBYTE
    promises = [
        Promise(
            "answers in the output file",
            f"{found.answered:,}",
            f"{found.jobs:,}",
            found.answered == found.jobs,
        ),
        Promise("growth in memory", f"{growth:.0f} MiB", "at most 100 MiB", found.growth <= MOST_GROWTH),
    ]
    return Report("large_file", [_steps(found), _memory(found)], _figures(found), promises)


def _watched(stack: Stack, found: Findings, source: Path, status: Status) -> dict[str, int]:
    """One batch from its upload to the last byte of its output; returns the most memory by process."""
    meter = MemoryMeter({name: pid for name, pid in stack.pids.items() if name.startswith(PARTS)})
    run = BatchRun(stack)
    with meter.watching():
        with found.timing("upload"):
            run.submit(source)
        limit = found.jobs / SLOWEST_PER_SECOND + SLACK_SECONDS
        with found.timing("check"):
            run.wait_started(limit)
        with found.timing("run"):
            batch = run.wait(limit, status)
        with found.timing("download"):
            _download(stack, batch, found)
    found.succeeded = batch.succeeded
    return meter.most_bytes


def _download(stack: Stack, batch: BatchView, found: Findings) -> None:
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


def _line(custom_id: str, text: str) -> bytes:
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    line = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _steps(found: Findings) -> Table:
    sizes = [f"{size / MEBIBYTE:,.0f} MiB" for size in (found.input_bytes, found.output_bytes)]
    title = f"{found.jobs:,} lines, {sizes[0]} in, {sizes[1]} out"
    table = Table(*found.seconds, title=title)
    table.add_row(*(f"{seconds:.1f} s" for seconds in found.seconds.values()))
    return table


def _memory(found: Findings) -> Table:
    table = Table("most memory, MiB", f"{SMALL:,} lines", f"{found.jobs:,} lines", "more")
    for name, large in found.large.items():
        small = found.small[name]
        table.add_row(name, *(f"{size / MEBIBYTE:.0f}" for size in (small, large, large - small)))
    return table


def _figures(found: Findings) -> dict[str, object]:
    return {
        "jobs": found.jobs,
        "input_bytes": found.input_bytes,
        "output_bytes": found.output_bytes,
        "seconds": found.seconds,
        "most_bytes_small": found.small,
        "most_bytes_large": found.large,
    }
