"""Looking at a batch until it is final."""

import time
from collections.abc import Callable

from headrace.cli.progress import Display
from headrace.client import BatchView, Client
from headrace.states import BATCH_FINAL

POLL_SECONDS = 0.5


def follow(
    client: Client, batch_id: str, display: Display, each_time: Callable[[], None] = lambda: None
) -> BatchView:
    """Show the batch until it is final, and return it. `each_time` may raise to end it earlier."""
    while True:
        each_time()
        batch = client.batch(batch_id)
        display.show(batch)
        if batch.status in BATCH_FINAL:
            return batch
        time.sleep(POLL_SECONDS)
