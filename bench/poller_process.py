"""The poller as a child process."""

import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import orjson


@dataclass(frozen=True)
class Polled:
    """The milliseconds of the polls that succeeded, and how many did not."""

    ms: list[float]
    failed: int


class PollerProcess:
    """`with PollerProcess(base_url, key, "/v1/batches/batch_1", 200) as poller: poller.poll(seconds=4)`."""

    def __init__(self, base_url: str, key: str, path: str, rate: float) -> None:
        options = (base_url, key, path, f"--rate={rate}")
        self._command = [sys.executable, "-m", "bench.poller", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # It ends with its standard input, and so with us, too. Ctrl-C is for us alone.
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.poll(0)  # that it has started costs nothing later
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.kill()
        with self._process:  # closes its pipes and waits for it
            pass

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process
        return self._process.pid

    def poll(self, seconds: float) -> Polled:
        """Poll for so long."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{seconds}\n".encode())
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise RuntimeError("the poller of the bench died")
        return Polled(**orjson.loads(told))
