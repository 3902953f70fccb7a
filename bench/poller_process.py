"""The poller as a child process."""

from dataclasses import dataclass
from typing import Self

import orjson

from bench.child import Child


@dataclass(frozen=True)
class Polled:
    """The milliseconds of the polls that succeeded, and how many did not."""

    ms: list[float]
    failed: int


class PollerProcess(Child):
    """`with PollerProcess(base_url, key, "/v1/batches/batch_1", 200) as poller: poller.poll(seconds=4)`."""

    def __init__(self, base_url: str, key: str, path: str, rate: float) -> None:
        super().__init__("bench.poller", base_url, key, path, f"--rate={rate}")

    def __enter__(self) -> Self:
        super().__enter__()
        self.poll(0)  # that it has started costs nothing later
        return self

    def poll(self, seconds: float) -> Polled:
        """Poll for so long."""
        self.tell(str(seconds))
        return Polled(**orjson.loads(self.hear()))
