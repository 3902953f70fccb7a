"""Row 6: SIGTERM with 200 calls in flight."""

import time

from headrace.states import JobState, Outcome
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

CALLS = 200


@each_database_in_faults
def test_200_calls_end_and_land_and_no_job_that_was_not_called_has_an_attempt(plant):
    witness = plant.provider(latency_ms=6000, latency_spread=0)
    worker = plant.worker(max_in_flight=CALLS, call_timeout_seconds=60)
    batch_id = plant.submit(*many(CALLS + 60))
    eventually(lambda: witness.count("in_flight") == CALLS, 30)

    told_at = time.time()
    assert worker.stop(40) == 0

    calls = witness.calls()
    assert max(call.at for call in calls) < told_at + 1
    assert {call.status for call in calls} == {200}
    attempts = attempts_of(plant.store.db, batch_id)
    assert {attempts[call.attempt].outcome for call in calls} == {Outcome.SUCCEEDED}
    left = [job for job in plant.store.jobs(batch_id) if job.state != JobState.SUCCEEDED]
    assert len(left) == CALLS + 60 - len(calls)
    assert {(job.state, job.attempts) for job in left} <= {(JobState.QUEUED, 0)}

    plant.worker(max_in_flight=CALLS, call_timeout_seconds=60)
    assert plant.finished(batch_id).succeeded == CALLS + 60
    assert check(plant.store.db, [witness]).extra_calls == 0
