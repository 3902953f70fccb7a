"""Row 2: kill -9 with calls in flight, again and again."""

import pytest

from headrace.states import BatchStatus
from tests.batch_input import many
from tests.invariants import check
from tests.killing import Killing, let_go, reach
from tests.kinds import postgresql_in_ci
from tests.pace import Limits

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


def run_with_kills(plant, *, jobs, kills, rpm, latency_ms, **settings):
    """A batch, with its kills spread over it; returns the account and a line about it."""
    witness = plant.provider(latency_ms=latency_ms, rpm=rpm)
    killing = Killing(plant, 2, rpm=rpm, **settings)
    batch_id = plant.submit(*many(jobs))
    for kill in range(1, kills + 1):
        reach(plant, batch_id, jobs * kill // (kills + 2))
        killing.kill(retire="lease_seconds" not in settings)
    held = let_go(plant, batch_id, jobs)
    batch = plant.finished(batch_id)

    account = check(plant.store.db, [witness], files=plant.settings.files_dir, limits=Limits(rpm=rpm))
    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, jobs)
    assert killing.kills == kills
    assert account.lost
    assert account.extra_calls <= killing.open_calls
    print(f"{kills} kills, {killing.open_calls} calls in flight at them, {held} held meanwhile: {account}")


@postgresql_in_ci
@pytest.mark.slow
def test_kills_with_calls_in_flight_cost_at_most_these_calls(plant):
    run_with_kills(plant, jobs=240, kills=3, rpm=3600, latency_ms=500)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_twenty_kills_in_five_thousand_jobs_lose_nothing(plant):
    run_with_kills(plant, jobs=5000, kills=20, rpm=6000, latency_ms=1000, lease_seconds=10)
