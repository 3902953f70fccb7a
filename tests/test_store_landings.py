"""The end of a call: the job's result, its usage, its batch's sums, in one transaction."""

from dataclasses import replace
from datetime import timedelta

from headrace.clock import now
from headrace.states import BatchStatus, JobState, Outcome
from headrace.usage import SUMMED, Usage
from tests.scene import USAGE, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]


def usage_of(row):
    return Usage(**{name: getattr(row, name) for name in SUMMED})


def test_a_success_writes_answer_usage_attempt_and_batch_together(store):
    batch_id = store.batch(lines=2)
    (flight,) = store.fly(1)

    store.land(replace(succeeded(flight), request_id="req_1"))

    job = store.job(flight.claim.job_id)
    assert (job.state, job.status_code, job.answer) == (JobState.SUCCEEDED, 200, '{"choices":[1]}')
    assert (job.request_id, job.result_no, job.attempts) == ("req_1", 1, 1)
    assert job.lease_token is job.worker_id is None
    assert job.finished_at <= now()
    (attempt,) = store.attempts(job.id)
    assert (attempt.outcome, attempt.status_code, attempt.request_id) == (Outcome.SUCCEEDED, 200, "req_1")
    assert attempt.landed_at == job.finished_at
    batch = store.batch_row(batch_id)
    assert (batch.succeeded, batch.failed) == (1, 0)
    assert usage_of(job) == usage_of(attempt) == usage_of(batch) == USAGE


def test_a_failure_keeps_what_the_provider_said(store):
    batch_id = store.batch()
    (flight,) = store.fly()

    store.land(failed(flight, status_code=422))

    job = store.job(flight.claim.job_id)
    assert (job.state, job.status_code, job.answer) == (JobState.FAILED, 422, '{"error":{"message":"no"}}')
    assert store.batch_row(batch_id).failed == 1


def test_a_retry_waits_and_keeps_its_attempt(store):
    store.batch()
    (flight,) = store.fly()
    due = now() + timedelta(seconds=30)

    store.land(retried(flight, due, status_code=500, error_code="server_error", error_message="it broke"))

    job = store.job(flight.claim.job_id)
    assert (job.state, job.run_at, job.attempts, job.calls) == (JobState.QUEUED, due, 1, 1)
    assert (job.status_code, job.error_code, job.error_message) == (500, "server_error", "it broke")
    assert job.lease_token is job.worker_id is job.finished_at is job.result_no is None
    assert store.attempts(job.id)[0].outcome == Outcome.AMBIGUOUS


def test_a_snooze_gives_its_attempt_back_however_often(store):
    store.batch(max_attempts=1)
    for calls in range(1, 5):
        (flight,) = store.fly()
        store.land(snoozed(flight, status_code=429))
        job = store.job(flight.claim.job_id)
        assert (job.state, job.attempts, job.calls) == (JobState.QUEUED, 0, calls)


def test_a_success_leaves_nothing_of_the_error_before_it(store):
    store.batch()
    (flight,) = store.fly()
    store.land(retried(flight, status_code=500, error_code="server_error", error_message="it broke"))
    (flight,) = store.fly()

    store.land(succeeded(flight))

    job = store.job(flight.claim.job_id)
    assert (job.status_code, job.error_code, job.error_message) == (200, None, None)


def test_the_usage_of_all_attempts_adds_up_on_the_job_and_on_the_batch(store):
    batch_id = store.batch(lines=2)
    first, second = store.fly()
    store.land(retried(first, usage=USAGE), snoozed(second))
    first, second = store.fly()
    store.land(succeeded(first), succeeded(second))

    twice = USAGE + USAGE
    assert [usage_of(attempt) for attempt in store.attempts(first.claim.job_id)] == [USAGE, USAGE]
    assert usage_of(store.job(first.claim.job_id)) == twice
    assert usage_of(store.batch_row(batch_id)) == twice + USAGE


def test_the_largest_usage_a_provider_may_state_can_be_summed(store):
    batch_id = store.batch()
    most = 2**31 - 1
    huge = Usage(most, most, most, most, 2 * most)
    (flight,) = store.fly()
    store.land(retried(flight, usage=huge))
    (flight,) = store.fly()

    store.land(succeeded(flight, huge))

    assert usage_of(store.job(flight.claim.job_id)) == usage_of(store.batch_row(batch_id)) == huge + huge


def test_one_group_holds_every_kind_of_end_of_several_batches_and_of_none(store):
    one, other = store.batch(lines=3), store.batch(lines=2)
    (inline,) = store.inline()
    a, b, c, d, e, f = store.fly()
    assert f.claim.job_id == inline

    completed = store.land(succeeded(f), snoozed(d), failed(b), succeeded(e), retried(c), succeeded(a))

    assert completed == []
    row = store.batch_row(one)
    assert (row.succeeded, row.failed, usage_of(row)) == (1, 1, USAGE)
    assert [job.result_no for job in store.jobs(one)] == [1, 2, None]
    row = store.batch_row(other)
    assert (row.succeeded, row.failed, usage_of(row)) == (1, 0, USAGE)
    assert store.job(inline).state == JobState.SUCCEEDED
    assert store.job(inline).result_no is None


def test_the_landing_that_ends_a_batch_names_it(store):
    batch_id = store.batch(lines=2)
    first, second = store.fly()

    assert store.land(succeeded(first)) == []
    assert store.batch_row(batch_id).status == BatchStatus.IN_PROGRESS
    assert store.land(failed(second)) == [batch_id]

    batch = store.batch_row(batch_id)
    assert batch.status == BatchStatus.FINALIZING
    assert batch.finalizing_at is not None


def test_a_batch_that_is_not_ingested_yet_does_not_end(store):
    batch_id = store.batch(lines=1)
    store.set_batch(batch_id, total=2)

    assert store.land(succeeded(*store.fly())) == []

    store.ingest(batch_id, [2])
    assert store.land(succeeded(*store.fly())) == [batch_id]


def test_a_notice_tells_the_batchs_owner_until_an_answer_comes(store):
    batch_id = store.batch()
    (flight,) = store.fly()
    store.land(snoozed(flight, notice="401: wrong key"))
    assert store.batch_row(batch_id).notice == "401: wrong key"

    (flight,) = store.fly()
    store.land(retried(flight, usage=USAGE))
    assert store.batch_row(batch_id).notice == "401: wrong key"

    (flight,) = store.fly()
    store.land(succeeded(flight))
    assert store.batch_row(batch_id).notice is None
