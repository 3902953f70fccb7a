"""Memory, descriptors and threads of the processes, one look after another."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One look at one process: at a Unix time, and how many seconds it had lived then."""

    at: float
    name: str
    pid: int
    age: float
    rss_mib: float
    descriptors: int
    threads: int


def look(pids: Mapping[str, int]) -> list[Sample]:
    """Those of the processes that are there."""
    found = []
    for name, pid in pids.items():
        try:
            found.append(_sample(name, pid, Path(f"/proc/{pid}")))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it was killed just now
    return found


def _sample(name: str, pid: int, proc: Path) -> Sample:
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / TICKS
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    resident = int((proc / "statm").read_text().split()[1])
    descriptors = len(list((proc / "fd").iterdir()))
    return Sample(time.time(), name, pid, uptime - started, resident * PAGE_MIB, descriptors, int(fields[17]))
