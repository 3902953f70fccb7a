"""Row 29: a cancel at every point of a job's life. No new call after it, and what was paid for is kept."""

import time

import pytest

from headrace.clock import now
from headrace.states import BatchStatus, JobState, Outcome
from tests.batch_input import line, many
from tests.invariants import Cancelled, check
from tests.kinds import each_database_in_faults
from tests.scene import failed, retried, snoozed, succeeded
from tests.simulated import eventually
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

LINES = 6
HANG = "hang:1@1"


def cancelled(plant, batch_id):
    """Asks for the batch's end, as the API does; when that was acknowledged."""
    assert plant.store.cancel_batch(batch_id)
    return Cancelled(batch_id, time.time())


def settled(plant, witness, told):
    """The batch once it is final, and the account; every invariant holds."""
    batch = plant.finished(told.batch_id, 30)
    account = check(plant.store.db, [witness], files=plant.settings.files_dir, cancelled=[told], allow=())
    assert batch.status == BatchStatus.CANCELLED
    assert batch.succeeded + batch.failed + batch.cancelled + batch.expired == batch.total == LINES
    answered = [call for call in witness.calls() if call.was_answered]
    assert batch.succeeded == len(answered)
    return batch, account


def states(plant, batch_id):
    return {job.state for job in plant.store.jobs(batch_id)}


def has_open_attempt(plant, batch_id):
    outcomes = [one.outcome for one in attempts_of(plant.store.db, batch_id).values()]
    return Outcome.OPEN in outcomes


@each_database_in_faults
def test_queued(plant):
    witness = plant.provider()
    batch_id = plant.store.batch(lines=LINES, lane="nobody-drains-it-yet")
    told = cancelled(plant, batch_id)

    plant.worker()

    batch, account = settled(plant, witness, told)
    assert (batch.cancelled, account.calls) == (LINES, 0)


@each_database_in_faults
@pytest.mark.parametrize(
    ("failpoint", "is_there"),
    [
        ("claimed", lambda plant, batch_id, _: JobState.RUNNING in states(plant, batch_id)),
        ("departed", lambda plant, batch_id, _: has_open_attempt(plant, batch_id)),
        ("answered", lambda _plant, _batch_id, witness: witness.count("received") > 0),
        ("before-landing", lambda _plant, _batch_id, witness: witness.count("received") > 0),
        ("landed", lambda plant, batch_id, _: JobState.SUCCEEDED in states(plant, batch_id)),
    ],
    ids=["claimed", "departed", "in flight", "landing", "landed"],
)
def test_running(plant, failpoint, is_there):
    """The worker stands still at the failpoint for a second, while the cancel comes."""
    witness = plant.provider(latency_ms=200)
    plant.worker(failpoints=f"{failpoint}={HANG}", max_in_flight=3)
    batch_id = plant.submit(*many(LINES))
    eventually(lambda: is_there(plant, batch_id, witness), 30)

    told = cancelled(plant, batch_id)

    batch, account = settled(plant, witness, told)
    assert account.calls == batch.succeeded
    assert batch.failed == 0


@each_database_in_faults
@pytest.mark.parametrize("hold", [False, True], ids=["waiting to be retried", "held"])
def test_after_an_ambiguous_call(plant, hold):
    witness = plant.provider()
    batch_id = plant.submit(
        *(line(f"line-{n}", body={"messages": [chat("[[sim:500x99]]", n)]}) for n in range(LINES))
    )
    plant.store.set_batch(batch_id, hold_ambiguous=hold)
    plant.worker()
    if hold:
        eventually(lambda: states(plant, batch_id) == {JobState.HELD}, 30)
    else:
        eventually(lambda: witness.count("received") >= LINES, 30)

    told = cancelled(plant, batch_id)

    batch, account = settled(plant, witness, told)
    assert (batch.cancelled, batch.ambiguous_calls) == (LINES, account.calls)


@pytest.mark.parametrize(
    ("verb", "end"),
    [
        (succeeded, JobState.SUCCEEDED),
        (failed, JobState.FAILED),
        (retried, JobState.CANCELLED),
        (snoozed, JobState.CANCELLED),
    ],
)
def test_one_job_alone_however_its_call_ends(store, verb, end):
    batch_id = store.batch(lines=3)
    flight, claim = store.fly(1)[0], store.claim(1)[0]
    (waiting,) = (job for job in store.jobs(batch_id) if job.state == JobState.QUEUED)

    for job_id in (flight.claim.job_id, claim.job_id, waiting.id):
        store.cancel(job_id)
        store.cancel(job_id)
    assert store.depart([claim]) == []
    completed = store.land(verb(flight))

    assert [store.job(one.job_id).state for one in (flight.claim, claim)] == [end, JobState.CANCELLED]
    row = store.batch_row(batch_id)
    assert row.succeeded + row.failed + row.cancelled == 3
    assert completed == [batch_id]
    assert row.created_at <= now()


def chat(text, number):
    return {"role": "user", "content": f"{text} {number}"}
