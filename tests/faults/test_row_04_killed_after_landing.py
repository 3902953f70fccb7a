"""Row 4: kill -9 after the commit of a landing, before anybody in the process heard of it."""

from tests.batch_input import many
from tests.invariants import check
from tests.kinds import postgresql_in_ci
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


@postgresql_in_ci
def test_what_was_committed_stays_succeeded_and_is_not_called_again(plant):
    witness = plant.provider(latency_ms=1)
    doomed = plant.worker(rpm=6000, failpoints="landed=kill@1")
    batch_id = plant.submit(*many(20))
    doomed.process.wait(30)
    landed = {job.id: job.answer for job in plant.store.jobs(batch_id) if job.answer}
    assert landed

    plant.worker(rpm=6000, lease_seconds=2)

    assert plant.finished(batch_id).succeeded == 20
    assert {job.id: job.answer for job in plant.store.jobs(batch_id) if job.id in landed} == landed
    account = check(plant.store.db, [witness])
    assert account.extra_calls == account.lost
    assert {job.calls for job in plant.store.jobs(batch_id) if job.id in landed} == {1}
    eventually(lambda: witness.count("in_flight") == 0)
