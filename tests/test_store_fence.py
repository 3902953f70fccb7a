"""The fence: who lost its lease decides nothing, and yet no paid answer is thrown away or counted twice."""

import pytest

from headrace.clock import now
from headrace.states import JobState, Outcome
from headrace.usage import Usage
from tests.invariants import check_rows
from tests.scene import AT_MOST, USAGE, failed, retried, snoozed, succeeded

OTHER = Usage(1, 0, 2, 0, 3)


pytest_plugins = ["tests.databases"]


def taken_over(store):
    """A flight whose worker was given up for dead, and the second flight of the same job."""
    (stale,) = store.fly()
    store.rescue("worker-1")
    (fresh,) = store.fly(worker="worker-2")
    assert fresh.claim.job_id == stale.claim.job_id
    return stale, fresh


@pytest.mark.parametrize("end", [failed, retried, snoozed])
def test_a_stale_lease_neither_fails_nor_requeues_a_job(store, end):
    store.batch()
    stale, fresh = taken_over(store)

    store.land(end(stale))

    job = store.job(stale.claim.job_id)
    assert (job.state, job.lease_token, job.attempts) == (JobState.RUNNING, fresh.claim.token, 2)
    assert store.attempts(job.id)[0].outcome == end(stale).outcome


def test_a_late_answer_ends_a_job_that_waits_for_its_second_attempt(store):
    batch_id = store.batch()
    (stale,) = store.fly()
    store.rescue("worker-1")

    store.land(succeeded(stale))

    (job,) = store.jobs(batch_id)
    assert (job.state, job.result_no) == (JobState.SUCCEEDED, 1)
    assert store.attempts(job.id)[0].outcome == Outcome.SUCCEEDED
    assert store.claim() == []


def test_a_late_answer_ends_a_job_in_its_second_attempt_whose_answer_only_costs(store):
    batch_id = store.batch()
    stale, fresh = taken_over(store)

    assert store.land(succeeded(stale, answer='{"choices":["first"]}')) == [batch_id]
    finished = store.job(stale.claim.job_id)
    store.land(succeeded(fresh, OTHER, answer='{"choices":["second"]}'))

    job, batch = store.job(finished.id), store.batch_row(batch_id)
    assert (job.state, job.answer) == (JobState.SUCCEEDED, '{"choices":["first"]}')
    assert (job.finished_at, job.result_no) == (finished.finished_at, 1)
    assert job.total_tokens == batch.total_tokens == (USAGE + OTHER).total_tokens
    assert (batch.succeeded, batch.failed) == (1, 0)
    assert [attempt.total_tokens for attempt in store.attempts(job.id)] == [30, 3]


def test_a_call_that_is_overtaken_stays_booked_even_if_its_worker_dies(store):
    batch_id = store.batch()
    stale, fresh = taken_over(store)

    store.land(succeeded(stale))

    overtaken = store.attempts(fresh.claim.job_id)[1]
    assert (overtaken.outcome, overtaken.cost_nanos) == (Outcome.AMBIGUOUS, None)
    batch = store.batch_row(batch_id)
    assert (batch.ambiguous_calls, batch.ambiguous_tokens) == (1, AT_MOST)
    check_rows(store.db)
    store.land(succeeded(fresh, OTHER))  # it was not dead

    assert store.batch_row(batch_id).ambiguous_calls == 0
    check_rows(store.db)


def test_of_two_answers_in_one_group_the_first_is_the_result(store):
    batch_id = store.batch()
    stale, fresh = taken_over(store)

    store.land(failed(stale), succeeded(fresh, answer='{"choices":["a"]}'), succeeded(stale, OTHER))

    job, batch = store.job(fresh.claim.job_id), store.batch_row(batch_id)
    assert (job.answer, job.result_no) == ('{"choices":["a"]}', 1)
    assert (batch.succeeded, batch.failed) == (1, 0)


@pytest.mark.parametrize("end", [succeeded, failed, retried, snoozed])
@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "expired"])
def test_a_final_result_never_changes(store, state, end):
    store.batch()
    (flight,) = store.fly()
    job_id = flight.claim.job_id
    values = {"state": state, "finished_at": now(), "lease_token": None, "worker_id": None, "result_no": 7}
    store.set_job(job_id, **values, status_code=201, answer="the first", error_code="e", error_message="m")
    before = store.job(job_id)

    store.land(end(flight))
    store.cancel(job_id)
    store.release([flight.claim])

    assert store.depart([flight.claim]) == []
    changed = {"prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "total_tokens"}
    assert store.job(job_id).model_dump(exclude=changed) == before.model_dump(exclude=changed)


@pytest.mark.parametrize("end", [succeeded, failed, retried, snoozed])
def test_a_landing_whose_commit_was_not_acknowledged_counts_once(store, end):
    batch_id = store.batch(lines=2)
    (flight,) = store.fly(1)
    store.land(end(flight))
    once = store.job(flight.claim.job_id), store.batch_row(batch_id), store.attempts(flight.claim.job_id)

    store.land(end(flight))

    assert once == (
        store.job(flight.claim.job_id),
        store.batch_row(batch_id),
        store.attempts(flight.claim.job_id),
    )


def test_a_repeated_landing_names_the_batch_that_it_completed_again(store):
    batch_id = store.batch()
    (flight,) = store.fly()

    assert store.land(succeeded(flight)) == store.land(succeeded(flight)) == [batch_id]


def test_a_late_landing_whose_commit_was_not_acknowledged_counts_once(store):
    batch_id = store.batch()
    stale, fresh = taken_over(store)
    store.land(succeeded(fresh))
    for _ in range(2):
        store.land(succeeded(stale, OTHER))

    assert store.batch_row(batch_id).total_tokens == (USAGE + OTHER).total_tokens


@pytest.mark.parametrize("newest_first", [False, True])
def test_of_two_leases_of_one_job_in_one_group_only_the_one_in_force_departs(store, newest_first):
    """A worker that was given up for dead and lives on may hold a job twice."""
    (job_id,) = store.inline()
    (stale,) = store.claim()
    store.set_job(job_id, state=JobState.QUEUED, lease_token=None, worker_id=None)
    (fresh,) = store.claim()

    flights = store.depart([fresh, stale] if newest_first else [stale, fresh])

    assert [flight.claim for flight in flights] == [fresh]
    assert len(store.attempts(job_id)) == 1
