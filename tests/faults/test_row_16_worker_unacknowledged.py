"""Row 16, in a worker process: commits that fail, and commits that are executed and not acknowledged."""

import pytest

from tests.batch_input import many
from tests.invariants import check

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

UNSURE = "before-commit=raise%6, after-commit=raise%6"


@pytest.mark.parametrize("seed", [3])
def test_a_worker_whose_commits_are_unsure_counts_nothing_twice_and_forgets_no_job(plant, seed):
    witness = plant.provider(latency_ms=50)
    worker = plant.worker(failpoints=UNSURE, seed=seed, rpm=1800, lease_seconds=4)
    batch_id = plant.submit(*many(150))

    batch = plant.finished(batch_id, 90)

    assert batch.succeeded == 150
    assert "a failpoint" in worker.log.read_text()
    account = check(plant.store.db, [witness])
    assert account.extra_calls == account.lost == 0
