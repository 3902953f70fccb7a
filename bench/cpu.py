"""CPU time of other processes, from the system's own accounts."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PROC = Path("/proc")
PS_SECONDS = 10.0
STAT_FIELDS_BEFORE_STATE = 2
USER, SYSTEM = 13, 14  # proc(5), counted from 0


class CpuMeter:
    """What each of some processes spends from now on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """`pids` by the part's name."""
        self._pids = dict(pids)
        self._before = self._now()

    def spent(self) -> dict[str, float]:
        """Seconds of user and system time by part. Raises RuntimeError if one of the processes is gone."""
        return {name: seconds - self._before[name] for name, seconds in self._now().items()}

    def _now(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, to 10 ms. Raises RuntimeError if there is none."""
    try:
        return _from_proc(pid) if PROC.joinpath("self/stat").exists() else _from_ps(pid)
    except (FileNotFoundError, ProcessLookupError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"process {pid} ended while its CPU time was measured") from error


def parse_cpu_time(shown: str) -> float:
    """Seconds, of `[[days-]hours:]minutes:seconds[.fraction]` as `ps` shows them."""
    days, _, clock = shown.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return int(days or 0) * 86_400 + seconds


def _from_proc(pid: int) -> float:
    # The second field is the program's name in parentheses, which may contain anything.
    stat = PROC.joinpath(str(pid), "stat").read_text()
    fields = stat.rpartition(")")[2].split()
    ticks = sum(int(fields[place - STAT_FIELDS_BEFORE_STATE]) for place in (USER, SYSTEM))
    return ticks / os.sysconf("SC_CLK_TCK")


def _from_ps(pid: int) -> float:
    command = ["ps", "-o", "time=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PS_SECONDS).stdout
    return parse_cpu_time(shown.strip())
