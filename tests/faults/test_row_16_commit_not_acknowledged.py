"""Row 16, in one process: a COMMIT that was executed and not acknowledged, and statements that fail."""

import pytest

from headrace.states import FINAL, BatchStatus, JobState
from tests.invariants import check, check_rows
from tests.sql_faults import sql_faults
from tests.unsure_store import UnsureWorld

pytest_plugins = ["tests.databases"]

LINES = 30
STEPS = 200
PLACES = {"statement, not run", "statement, run", "commit, not done", "commit, done"}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_transaction_may_fail_before_or_after_its_commit_and_nothing_is_counted_twice(store, seed):
    world = UnsureWorld(store, seed)
    kept, cancelled = store.new_batch(), store.new_batch()
    with sql_faults(store.db.engine, seed) as faults:
        world.beat()
        for batch_id in (kept, cancelled):
            world.ingest(batch_id, LINES)
        for step in range(STEPS):
            world.random.choice(world.mishaps if step % 12 == 11 else world.steps)()
            if step == STEPS // 2:
                world.cancel_batch(cancelled)
        assert faults.told.keys() == PLACES
    check_rows(store.db)
    drain(world)
    for batch_id, state, status in (
        (kept, JobState.EXPIRED, BatchStatus.COMPLETED),
        (cancelled, JobState.CANCELLED, BatchStatus.CANCELLED),
    ):
        world.end_waiting(batch_id, state)  # what three dead workers had is held
        store.close(batch_id)
        assert store.finish(batch_id, status)

    account = check(store.db, [world.witness])
    assert account.jobs == 2 * LINES
    assert account.succeeded > LINES / 2


def drain(world):
    """Work on, on a sound database, until every job is final or held."""
    settled = {*FINAL, JobState.HELD}
    world.land_late()
    while any(job.state not in settled for job in world.scene.jobs()):
        for step in (world.claim, world.depart, world.land, world.put_back):
            step()
