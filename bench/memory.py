"""Memory of other processes, watched while something goes on."""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.cpu import PROC, PS_SECONDS

LOOK_SECONDS = 0.2
KIBIBYTE = 1024


class MemoryMeter:
    """The most that each of some processes had in memory, in bytes, while they were watched."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """`pids` by the part's name."""
        self._pids = dict(pids)
        self._ended = threading.Event()
        self.most_bytes: dict[str, int] = dict.fromkeys(self._pids, 0)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch them for as long as the block runs."""
        watcher = threading.Thread(target=self._watch, name="memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join()
            self._look()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for name, pid in self._pids.items():
            self.most_bytes[name] = max(self.most_bytes[name], resident_bytes(pid))


def resident_bytes(pid: int) -> int:
    """What a process has in memory now; 0 if there is none."""
    try:
        return _from_proc(pid) if PROC.joinpath("self/status").exists() else _from_ps(pid)
    except (FileNotFoundError, ProcessLookupError, subprocess.CalledProcessError):
        return 0


def _from_proc(pid: int) -> int:
    for line in PROC.joinpath(str(pid), "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * KIBIBYTE
    return 0


def _from_ps(pid: int) -> int:
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PS_SECONDS).stdout
    return int(shown) * KIBIBYTE
