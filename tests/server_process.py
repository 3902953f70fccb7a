"""One server process of the tests: it can crash, come back, and does not outlive them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import redis

DEADLINE_SECONDS = 30.0

# Its standard input is a pipe from the tests. If they are killed it closes unread, and the guard clears up.
GUARD = """
read -r _ && exit
kill -s "$1" "$2"
for _ in $(seq 100); do kill -0 "$2" || break; sleep 0.1; done
rm -rf "$3"
"""


class Server:
    """A server process. After `kill` or `stop`, `start` starts it again on the same port and folder."""

    def __init__(
        self,
        url: str,
        command: list[str],
        folder: Path,
        *,
        answers: Callable[[], object],
        stop_signal: signal.Signals = signal.SIGTERM,
        account: dict[str, Any] | None = None,
    ) -> None:
        """`answers` raises redis.ConnectionError or psycopg.OperationalError until the server is up."""
        self.url = url
        self.folder = folder
        self._command = command
        self._answers = answers
        self._stop_signal = stop_signal
        self._account = account or {}

    def start(self) -> None:
        """Returns when the server answers."""
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the server
                **self._account,
            )
        self._guard = _guard(self._stop_signal, self.process.pid, self.folder)
        try:
            self._wait_until_it_answers(log)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as a crash does it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """The polite way; nothing happens when the server is down already."""
        self._end(self._stop_signal)

    def _end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)  # does nothing to a process that was waited for
        self.process.wait(DEADLINE_SECONDS)
        if self._guard.returncode is None:
            self._guard.communicate(b"all is well\n", DEADLINE_SECONDS)

    def _wait_until_it_answers(self, log: Path) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                self._answers()
            except (redis.ConnectionError, psycopg.OperationalError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self._command[0]} did not start:\n{log.read_text()}") from error
                time.sleep(0.01)
            else:
                return


def _guard(stop_signal: signal.Signals, pid: int, folder: Path) -> "subprocess.Popen[bytes]":
    name = stop_signal.name.removeprefix("SIG")
    return subprocess.Popen(
        ["sh", "-c", GUARD, "guard", name, str(pid), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
