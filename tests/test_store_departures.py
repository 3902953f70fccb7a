"""Claimed jobs depart, are put back, or are cancelled: the fence before a call."""

from datetime import timedelta

from headrace.clock import now
from headrace.states import JobState, Outcome
from headrace.store import jobs
from tests.scene import WORKER, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]


def test_a_departure_writes_an_attempt_before_the_call(store):
    (job_id,) = store.inline()

    (flight,) = store.fly()

    job, (attempt,) = store.job(job_id), store.attempts(job_id)
    assert (job.state, job.attempts, job.calls) == (JobState.RUNNING, 1, 1)
    assert (attempt.id, attempt.number, attempt.worker_id) == (flight.attempt_id, 1, WORKER)
    assert (attempt.outcome, attempt.tokens_booked, attempt.landed_at) == (Outcome.OPEN, 100, None)


def test_attempts_are_numbered_by_calls_also_when_a_snooze_gave_one_back(store):
    (job_id,) = store.inline()
    for end in (snoozed, retried, succeeded):
        (flight,) = store.fly()
        store.land(end(flight))

    assert [attempt.number for attempt in store.attempts(job_id)] == [1, 2, 3]
    assert (store.job(job_id).attempts, store.job(job_id).calls) == (2, 3)


def test_a_job_whose_lease_was_taken_over_does_not_depart(store):
    (job_id,) = store.inline()
    stale = store.claim()
    store.rescue(WORKER)
    fresh = store.claim(worker="worker-2")

    assert store.depart(stale) == []
    assert store.attempts(job_id) == []
    assert len(store.depart(fresh, worker="worker-2")) == 1


def test_no_job_of_a_cancelled_batch_departs(store):
    batch_id = store.batch(lines=2)
    claims = store.claim()

    assert store.cancel_batch(batch_id)

    assert store.depart(claims) == []
    assert {job.state for job in store.jobs(batch_id)} == {JobState.CANCELLED}
    assert store.batch_row(batch_id).cancelled == 2
    assert store.attempts(claims[0].job_id) == []


def test_a_job_past_its_batchs_window_expires_instead_of_departing(store):
    batch_id = store.batch(window=timedelta(seconds=-1))
    store.inline()
    claims = store.claim()

    flights = store.depart(claims)

    assert [flight.claim.batch_id for flight in flights] == [None]
    (job,) = store.jobs(batch_id)
    assert (job.state, job.error_code, job.result_no) == (JobState.EXPIRED, "batch_expired", 1)
    assert store.batch_row(batch_id).expired == 1


def test_a_departure_whose_commit_was_not_acknowledged_can_be_written_again(store):
    (job_id,) = store.inline()
    leaving = [jobs.Departure(claim, "att_1", 100) for claim in store.claim()]
    for _ in range(2):
        with store.db.begin() as session:
            assert jobs.depart(session, leaving, WORKER) == {"att_1"}

    assert (store.job(job_id).attempts, store.job(job_id).calls) == (1, 1)
    assert len(store.attempts(job_id)) == 1


def test_a_released_job_is_queued_again_and_no_attempt_was_made(store):
    (job_id,) = store.inline()
    due = now() + timedelta(seconds=30)

    store.release(store.claim(), due)

    job = store.job(job_id)
    assert (job.state, job.attempts, job.run_at) == (JobState.QUEUED, 0, due)
    assert job.lease_token is job.worker_id is None


def test_a_stale_claim_releases_nothing(store):
    (job_id,) = store.inline()
    stale = store.claim()
    store.rescue(WORKER)
    (fresh,) = store.claim(worker="worker-2")

    store.release(stale)

    assert store.job(job_id).lease_token == fresh.token


def test_a_job_that_was_cancelled_while_claimed_ends_at_its_release(store):
    (job_id,) = store.inline()
    claims = store.claim()
    store.cancel(job_id)

    store.release(claims)

    assert store.job(job_id).state == JobState.CANCELLED


def test_a_cancelled_waiting_job_ends_at_once(store):
    (job_id,) = store.inline()

    store.cancel(job_id)

    job = store.job(job_id)
    assert (job.state, job.error_code, job.answer) == (JobState.CANCELLED, "batch_cancelled", None)
    assert job.finished_at
    assert store.claim() == []


def test_a_cancelled_running_job_ends_when_its_call_does(store):
    (job_id,) = store.inline()
    (flight,) = store.fly()

    store.cancel(job_id)
    assert store.job(job_id).state == JobState.RUNNING
    assert store.job(job_id).cancel_requested

    store.land(retried(flight))
    assert store.job(job_id).state == JobState.CANCELLED


def test_a_cancelled_job_keeps_no_status_of_an_earlier_attempt(store):
    (job_id,) = store.inline()
    (flight,) = store.fly()
    store.land(retried(flight, status_code=500, error_code="server_error", error_message="it broke"))

    store.cancel(job_id)

    job = store.job(job_id)
    assert (job.status_code, job.error_code) == (None, "batch_cancelled")
    assert store.attempts(job_id)[0].status_code == 500


def test_a_cancelled_running_job_keeps_the_answer_that_was_paid_for(store):
    (job_id,) = store.inline()
    (flight,) = store.fly()
    store.cancel(job_id)

    store.land(succeeded(flight))

    assert store.job(job_id).state == JobState.SUCCEEDED


def test_a_final_job_cannot_be_cancelled(store):
    (job_id,) = store.inline()
    (flight,) = store.fly()
    store.land(succeeded(flight))

    store.cancel(job_id)

    assert (store.job(job_id).state, store.job(job_id).cancel_requested) == (JobState.SUCCEEDED, False)
