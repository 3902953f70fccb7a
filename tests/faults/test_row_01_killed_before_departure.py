"""Row 1: kill -9 of a worker between claim and departure."""

from headrace.states import JobState
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import postgresql_in_ci

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


@postgresql_in_ci
def test_jobs_of_a_worker_that_died_before_they_departed_are_done_by_another_and_cost_nothing(plant):
    witness = plant.provider()
    doomed = plant.worker(failpoints="claimed=kill@1")
    batch_id = plant.submit(*many(5))
    assert doomed.process.wait(30) != 0
    assert {job.state for job in plant.store.jobs(batch_id)} & {JobState.RUNNING}
    assert witness.count("received") == 0

    plant.worker(lease_seconds=2)

    assert plant.finished(batch_id).succeeded == 5
    account = check(plant.store.db, [witness])
    assert (account.calls, account.attempts, account.lost) == (5, 5, 0)
    assert {job.crashes for job in plant.store.jobs(batch_id)} == {0}
