"""Row 30: a job that kills every worker that calls it."""

from headrace.states import JobState
from headrace.store import workers
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


@each_database_in_faults
def test_a_job_that_killed_three_workers_is_held_and_its_neighbours_finish(plant):
    witness = plant.provider()
    poison = plant.submit(*many(1))
    for _ in range(3):
        victim = plant.worker(failpoints="sent=kill@1")
        victim.process.wait(30)
        with plant.store.db.begin() as session:
            workers.retire(session, [victim.id])  # as whoever starts them again does
    neighbours = plant.submit(*many(10))

    plant.worker()

    assert plant.finished(neighbours).succeeded == 10
    eventually(lambda: plant.store.jobs(poison)[0].state == JobState.HELD, 20)
    (job,) = plant.store.jobs(poison)
    assert (job.crashes, job.calls) == (3, 3)
    assert "Three workers died" in (job.error_message or "")
    account = check(plant.store.db, [witness])
    assert (account.lost, account.calls) == (3, 13)
