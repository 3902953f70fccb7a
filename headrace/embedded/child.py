"""One part as a process: started on a leash, logged, started again after it died."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from headrace.embedded import leash
from headrace.embedded.parts import Part

QUICK_DEATH_SECONDS = 10.0
FIRST_BACKOFF_SECONDS = 0.05  # doubled with each quick death
MAX_LOG_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 8192
TAIL_LINES = 20


class Child:
    """A part's process. All methods belong to one thread, for on Linux the process dies with it."""

    def __init__(self, part: Part, folder: Path, log: Path) -> None:
        """`folder` is where the process runs."""
        self.part = part
        self.log = log
        self.quick_deaths = 0
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process and self.is_running() else None

    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process is not None and self._process.poll() is None

    def start_if_due(self) -> None:
        """Start the process unless it runs, or died so recently that it has to wait."""
        if self._process is None and time.monotonic() >= self._due:
            self._start()

    def died(self) -> int | None:
        """The exit status, once, of a process that ended; sets the time of its next start."""
        status = self._process.poll() if self._process else None
        if status is None:
            return None
        self._process = None
        now = time.monotonic()
        self.quick_deaths = self.quick_deaths + 1 if now - self._started < QUICK_DEATH_SECONDS else 0
        self._due = now + FIRST_BACKOFF_SECONDS * 2**self.quick_deaths
        return status

    def terminate(self) -> None:
        """Ask the process to end in good order."""
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """End the process now, and all of its group."""
        if self._process and self.is_running():
            os.killpg(self._process.pid, signal.SIGKILL)

    def tail(self) -> list[str]:
        """The last lines of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]

    def _start(self) -> None:
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.rename(self.log.with_suffix(".log.old"))
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *self.part.command],
                cwd=self._folder,
                env=self.part.environment(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                umask=0o077,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops us in good order
            )
        self._process, self._started = process, time.monotonic()
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:  # that it is dead already will be noticed
            process.stdin.write(self.part.stdin.encode())
