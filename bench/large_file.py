"""The largest batch that the contract allows: 200 MiB, 50,000 lines; uploaded, checked, run, downloaded.

A small batch with lines of the same length goes first. What the processes need more for the large one is
what the size of a file costs: all of it is streamed, so that is to be little.
"""

from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console

from bench.inputs import ENDPOINT, MODEL, custom_ids
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from bench.whole_batch import WholeBatch, growth, growth_table, steps_table, whole_batch
from headrace.settings import MEBIBYTE
from headrace.simulator import SimulatorConfig, SimulatorProcess

JOBS = 50_000
BYTES = 200 * MEBIBYTE
SMALL = 1_000
WORKERS = 2
IN_FLIGHT = 400
MOST_GROWTH = 100 * MEBIBYTE


@dataclass(frozen=True)
class Findings:
    """What the small batch took, and the large one."""

    input_bytes: int
    small: WholeBatch
    large: WholeBatch


def measure(console: Console, jobs: int = JOBS) -> Report:
    """Run it: some minutes with the lines that the promise names."""
    size = BYTES * jobs // JOBS
    with (
        bench_folder() as folder,
        SimulatorProcess(SimulatorConfig()) as simulator,
        console.status("") as status,
    ):
        source, small = folder / "input.jsonl", folder / "small.jsonl"
        write_padded(source, jobs, size)
        write_padded(small, SMALL, BYTES * SMALL // JOBS)
        with running_stack(folder, simulator.base_url, workers=WORKERS, max_in_flight=IN_FLIGHT) as stack:
            before = whole_batch(stack, small, SMALL, status)
            return report(Findings(size, before, whole_batch(stack, source, jobs, status)))


def write_padded(path: Path, jobs: int, size: int) -> None:
    """Batch lines of about one length, of exactly `size` bytes together."""
    with path.open("wb") as out:
        for number, custom_id in enumerate(custom_ids(jobs)):
            end = size * (number + 1) // jobs
            bare = len(_line(custom_id, ""))
            out.write(_line(custom_id, "x" * (end - out.tell() - bare)))


def report(found: Findings) -> Report:
    """The findings, and what is promised."""
    large, most = found.large, max(growth(found.small, found.large).values())
    promises = [
        Promise(
            "answers in the output file",
            f"{large.answered:,}",
            f"{large.jobs:,}",
            large.answered == large.jobs,
        ),
        Promise("growth in memory", f"{most / MEBIBYTE:.0f} MiB", "at most 100 MiB", most <= MOST_GROWTH),
    ]
    sizes = [f"{size / MEBIBYTE:,.0f} MiB" for size in (found.input_bytes, large.output_bytes)]
    title = f"{large.jobs:,} lines, {sizes[0]} in, {sizes[1]} out"
    tables = [steps_table(large, title), growth_table(found.small, large)]
    return Report("large_file", tables, _figures(found), promises)


def _line(custom_id: str, text: str) -> bytes:
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    line = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _figures(found: Findings) -> dict[str, object]:
    return {
        "jobs": found.large.jobs,
        "input_bytes": found.input_bytes,
        "output_bytes": found.large.output_bytes,
        "seconds": found.large.seconds,
        "most_bytes_small": found.small.most_bytes,
        "most_bytes_large": found.large.most_bytes,
    }
