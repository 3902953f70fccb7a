"""Row 5: a worker that stands still past its lease, is taken for dead, and goes on."""

import signal

import pytest

from headrace.states import JobState, Outcome
from headrace.store import workers
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


@pytest.fixture
def frozen():
    """SIGSTOP to a worker; it goes on when the test tells it, or ends."""
    stopped = []

    def freeze(worker):
        worker.process.send_signal(signal.SIGSTOP)
        stopped.append(worker)

    yield freeze
    for worker in stopped:
        worker.process.send_signal(signal.SIGCONT)


@each_database_in_faults
def test_what_it_had_not_sent_is_refused_by_the_fence(plant, frozen):
    """Its jobs wait for their slots when it is stopped; another worker does them meanwhile."""
    witness = plant.provider()
    slow = plant.worker(rpm=120, lease_seconds=2)
    batch_id = plant.submit(*many(12))
    eventually(lambda: witness.count("received") >= 2, 30)
    frozen(slow)
    plant.worker(lease_seconds=2)
    plant.finished(batch_id)

    slow.process.send_signal(signal.SIGCONT)

    eventually(lambda: slow.id in alive(plant), 30)
    assert slow.stop() == 0
    account = check(plant.store.db, [witness])
    assert account.succeeded == 12
    crashes = sum(job.crashes for job in plant.store.jobs(batch_id))
    assert account.extra_calls <= crashes <= 2  # the calls that were in flight when it was stopped


@each_database_in_faults
def test_a_late_answer_is_taken_if_the_job_has_none_and_else_only_its_cost(plant, frozen):
    witness = plant.provider(latency_ms=5000, latency_spread=0)
    slow = plant.worker(lease_seconds=2, call_timeout_seconds=60)
    batch_id = plant.submit(*many(6))
    eventually(lambda: witness.count("received") == 6, 30)
    frozen(slow)
    plant.worker(lease_seconds=2)  # whose calls take as long: some of the old answers come first
    eventually(lambda: witness.count("received") > 6, 30)
    slow.process.send_signal(signal.SIGCONT)

    batch = plant.finished(batch_id)
    eventually(lambda: outcomes(plant, batch_id) == {Outcome.SUCCEEDED}, 30)  # also those overtaken

    account = check(plant.store.db, [witness])
    assert batch.succeeded == 6
    assert account.lost == account.ambiguous == 0
    assert 6 < account.calls <= 12
    assert {job.state for job in plant.store.jobs(batch_id)} == {JobState.SUCCEEDED}


def outcomes(plant, batch_id):
    return {attempt.outcome for attempt in attempts_of(plant.store.db, batch_id).values()}


def alive(plant):
    with plant.store.db.read() as session:
        return workers.counters(session)
