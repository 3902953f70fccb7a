"""The cheap provider as a child process."""

import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.request import urlopen

import orjson

from bench.provider import HOST

ASK_SECONDS = 30.0


@dataclass(frozen=True)
class Seen:
    """Calls since the start, the most that were in flight at once, and the CPU seconds of the provider."""

    calls: int
    most_in_flight: int
    cpu_seconds: float


class ProviderProcess:
    """`with ProviderProcess(latency_ms=200) as provider: call(provider.base_url)`; that URL ends in /v1."""

    def __init__(self, *, latency_ms: float) -> None:
        self._command = [sys.executable, "-m", "bench.provider", f"--latency-ms={latency_ms}"]
        self._process: subprocess.Popen[bytes] | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        # It ends with its standard input, and so with us, too. Ctrl-C is for us alone.
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout
        port = self._process.stdout.readline().decode().strip()
        if not port:
            self.__exit__(None, None, None)
            raise RuntimeError("the provider of the bench did not start")
        self.base_url = f"http://{HOST}:{port}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.kill()
        with self._process:  # closes its pipes and waits for it
            pass

    def seen(self) -> Seen:
        """What it has seen so far."""
        with urlopen(f"{self.base_url}/stats", timeout=ASK_SECONDS) as answer:
            return Seen(**orjson.loads(answer.read()))
