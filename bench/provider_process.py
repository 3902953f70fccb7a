"""The cheap provider as a child process."""

from dataclasses import dataclass
from typing import Self
from urllib.request import urlopen

import orjson

from bench.child import Child
from bench.provider import HOST

ASK_SECONDS = 30.0


@dataclass(frozen=True)
class Seen:
    """Calls since the start, the most that were in flight at once, and the CPU seconds of the provider."""

    calls: int
    most_in_flight: int
    cpu_seconds: float


class ProviderProcess(Child):
    """`with ProviderProcess(latency_ms=200) as provider: call(provider.base_url)`; that URL ends in /v1."""

    def __init__(self, *, latency_ms: float) -> None:
        super().__init__("bench.provider", f"--latency-ms={latency_ms}")
        self.base_url = ""

    def __enter__(self) -> Self:
        super().__enter__()
        self.base_url = f"http://{HOST}:{self.hear()}/v1"
        return self

    def seen(self) -> Seen:
        """What it has seen so far."""
        with urlopen(f"{self.base_url}/stats", timeout=ASK_SECONDS) as answer:
            return Seen(**orjson.loads(answer.read()))
