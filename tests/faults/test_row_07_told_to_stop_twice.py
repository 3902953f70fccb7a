"""Row 7: SIGTERM twice, or a grace that is not enough: gone within the grace and 5 s."""

import time
from functools import partial

import pytest

from tests.batch_input import many
from tests.kinds import each_database_in_faults
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

GRACE_SECONDS = 3.0


@each_database_in_faults
@pytest.mark.parametrize("times", [1, 3])
def test_a_worker_is_gone_soon_after_its_grace_however_often_it_is_told(plant, times):
    witness = plant.provider(latency_ms=30_000, latency_spread=0)
    worker = plant.worker(grace_seconds=GRACE_SECONDS, call_timeout_seconds=60)
    plant.submit(*many(4))
    eventually(lambda: witness.count("in_flight") == 4, 30)

    told_at = time.monotonic()
    for number in range(times):
        eventually(partial(lambda at: time.monotonic() >= at, told_at + number))
        worker.process.terminate()
    worker.process.wait(30)

    assert time.monotonic() - told_at < GRACE_SECONDS + 5.5  # the half is the test's own
