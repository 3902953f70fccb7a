"""Row 20: duplicate wakes, many claimers on one job, two sweepers: exactly one call."""

import threading

import pytest

from headrace import dispatch
from headrace.store import jobs, workers
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.scene import LANE

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

CLAIMERS = 16
ROUNDS = 3
JOBS = 6


def test_of_sixteen_claimers_one_gets_the_job(store):
    store.batch(1)
    with store.db.begin() as session:
        for number in range(CLAIMERS):
            workers.register(session, f"claimer-{number}", host="here", pid=number)
    start = threading.Barrier(CLAIMERS)
    claimed = []

    def claim(number):
        start.wait(30)
        with store.db.begin() as session:
            claims = jobs.claim(session, LANE, 10, f"claimer-{number}")
        claimed.extend(claims)

    claimers = [threading.Thread(target=claim, args=[number]) for number in range(CLAIMERS)]
    for claimer in claimers:
        claimer.start()
    for claimer in claimers:
        claimer.join(60)

    assert len(claimed) == 1


@each_database_in_faults
@pytest.mark.slow
def test_any_number_of_wakes_and_sweeps_makes_one_call_a_job(plant):
    witness = plant.provider()
    for _ in range(2):
        plant.worker()

    for _ in range(ROUNDS):
        batch_id = plant.submit(*many(JOBS))
        for _ in range(CLAIMERS):
            dispatch.wake_ingest(batch_id)
            dispatch.wake("small-model")
            dispatch.app.send_task(dispatch.SWEEP)
            dispatch.wake_finalise(batch_id)
        assert plant.finished(batch_id).succeeded == JOBS

    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert account.jobs == account.calls == account.attempts == ROUNDS * JOBS
