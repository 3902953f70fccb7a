"""One batch through the HTTP API, as a client of headrace sees it."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from rich.status import Status

from bench.inputs import ENDPOINT
from headrace.client import BatchView, Client
from headrace.embedded import Stack
from headrace.states import BATCH_FINAL, BatchStatus

POLL_SECONDS = 0.5
SHORT_POLL_SECONDS = 0.1


class BatchRun:
    """A client of a stack, and its batch."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._client = Client(stack.base_url, stack.api_key)
        self.batch_id = ""

    def submit(self, source: Path) -> None:
        """Upload the file and have it run."""
        file_id = self._client.upload(source, source.name)
        self.batch_id = self._client.create_batch(file_id, ENDPOINT, {}).id

    def wait_started(self, timeout_seconds: float) -> None:
        """Until the input is checked, and its calls begin. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        while self._client.batch(self.batch_id).status == BatchStatus.VALIDATING:
            self._stack.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the input was not checked in {timeout_seconds:.0f} s")
            time.sleep(SHORT_POLL_SECONDS)

    def wait(self, timeout_seconds: float, status: Status) -> BatchView:
        """Poll until the batch is complete. Raises when it ends otherwise or in time not at all."""
        deadline = time.monotonic() + timeout_seconds
        while (batch := self._client.batch(self.batch_id)).status not in BATCH_FINAL:
            self._stack.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{batch.done} of {batch.total} jobs ended in {timeout_seconds:.0f} s")
            status.update(f"{batch.done} of {batch.total} jobs ended")
            time.sleep(POLL_SECONDS)
        if batch.status != BatchStatus.COMPLETED:
            raise RuntimeError(f"the batch ended as {batch.status}: {batch.errors}")
        return batch

    def answers(self) -> Counter[str]:
        """How often each custom id has come back with status 200."""
        found: Counter[str] = Counter()
        after, has_more = 0, True
        while has_more:
            page = self._client.results(self.batch_id, after)
            found.update(line["custom_id"] for line in map(orjson.loads, page.lines) if _succeeded(line))
            after, has_more = page.cursor, page.has_more
        return found


def _succeeded(line: dict[str, Any]) -> bool:
    response = line["response"]
    return response is not None and response["status_code"] == 200
