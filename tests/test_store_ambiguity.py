"""Calls of unknown cost: booked at their bound until the truth comes, and what becomes of their jobs."""

from dataclasses import replace

import pytest

from headrace.states import BatchStatus, JobState, Outcome
from tests.scene import AT_MOST, USAGE, WORKER, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]


def doubts(store, batch_id):
    row = store.batch_row(batch_id)
    return row.ambiguous_calls, row.ambiguous_tokens


def state(store, flight):
    return store.job(flight.claim.job_id).state


def test_an_attempt_is_written_with_the_most_that_it_can_cost(store):
    store.batch()

    (flight,) = store.fly()

    assert [attempt.tokens_at_most for attempt in store.attempts(flight.claim.job_id)] == [AT_MOST]


def test_ambiguous_calls_are_booked_with_their_batch_and_others_are_not(store):
    batch_id, other = store.batch(lines=5), store.batch(lines=1, lane="other")
    a, b, c, d, e = store.fly()

    store.land(retried(a), succeeded(b), failed(c), snoozed(d))
    store.land(retried(e, usage=USAGE))  # nobody has its answer, but its price is known

    assert doubts(store, batch_id) == (1, AT_MOST)
    assert store.batch_row(batch_id).total_tokens == 2 * USAGE.total_tokens
    assert doubts(store, other) == (0, 0)


def test_each_of_several_ambiguous_calls_of_one_job_counts(store):
    batch_id = store.batch()
    for _ in range(3):
        (flight,) = store.fly()
        store.land(retried(flight))

    assert doubts(store, batch_id) == (3, 3 * AT_MOST)


def test_a_last_attempt_that_ends_ambiguous_is_booked_too(store):
    batch_id = store.batch()
    (flight,) = store.fly()

    store.land(failed_in_doubt(flight))

    assert state(store, flight) == JobState.FAILED
    assert doubts(store, batch_id) == (1, AT_MOST)


def test_a_landing_that_is_written_twice_is_booked_once(store):
    batch_id = store.batch()
    (flight,) = store.fly()

    for _ in range(2):
        store.land(retried(flight))

    assert doubts(store, batch_id) == (1, AT_MOST)


def test_a_call_of_a_dead_worker_is_booked_until_its_answer_tells_the_price(store):
    batch_id = store.batch(lines=2)
    flight, _ = store.fly()
    store.rescue(WORKER)
    assert doubts(store, batch_id) == (2, 2 * AT_MOST)

    for _ in range(2):
        store.land(succeeded(flight))

    assert doubts(store, batch_id) == (1, AT_MOST)
    assert store.batch_row(batch_id).total_tokens == USAGE.total_tokens


def test_a_late_end_that_tells_nothing_leaves_the_booking(store):
    batch_id = store.batch()
    (flight,) = store.fly()
    store.rescue(WORKER)

    store.land(retried(flight))

    assert doubts(store, batch_id) == (1, AT_MOST)


def test_a_late_refusal_takes_the_booking_back(store):
    batch_id = store.batch()
    (flight,) = store.fly()
    store.rescue(WORKER)

    store.land(snoozed(flight))

    assert doubts(store, batch_id) == (0, 0)


def test_a_claim_of_a_dead_worker_that_never_departed_costs_nothing(store):
    batch_id = store.batch()
    store.claim()

    store.rescue(WORKER)

    assert doubts(store, batch_id) == (0, 0)


def test_calls_of_inline_jobs_are_in_no_batch_and_harm_none(store):
    store.inline(2)
    a, _ = store.fly()

    store.land(retried(a))
    store.rescue(WORKER)

    assert {job.state for job in store.jobs()} == {JobState.QUEUED}


@pytest.mark.parametrize("hold", [False, True])
def test_what_the_batch_asked_for_becomes_of_a_job_whose_call_ended_ambiguous(store, hold):
    careful_batch(store, hold=hold)
    (flight,) = store.fly()

    store.land(retried(flight, error_code="timeout", error_message="no answer in 600 s"))

    job = store.job(flight.claim.job_id)
    assert job.state == (JobState.HELD if hold else JobState.QUEUED)
    assert (job.error_code, job.error_message) == ("timeout", "no answer in 600 s")
    assert job.attempts == 1


def test_a_careful_batch_holds_after_the_last_attempt_too_instead_of_failing(store):
    careful_batch(store)
    (flight,) = store.fly()

    store.land(failed_in_doubt(flight))

    assert state(store, flight) == JobState.HELD


def test_a_careful_batch_sends_again_what_was_refused_and_fails_what_failed(store):
    careful_batch(store, lines=2)
    refused, wrong = store.fly()

    store.land(snoozed(refused), failed(wrong))

    assert (state(store, refused), state(store, wrong)) == (JobState.QUEUED, JobState.FAILED)


def test_a_careful_batch_holds_what_died_under_way_and_nothing_else(store):
    careful_batch(store, lines=2)
    (departed,) = store.fly(1)
    (claimed,) = store.claim(1)
    store.set_job(departed.claim.job_id, max_attempts=1)

    store.rescue(WORKER)

    assert state(store, departed) == JobState.HELD
    assert store.job(claimed.job_id).state == JobState.QUEUED


def test_a_cancelled_careful_batch_holds_nothing(store):
    batch_id = careful_batch(store, lines=3)
    a, b, _ = store.fly()
    store.cancel_batch(batch_id)

    store.land(retried(a), failed_in_doubt(b))
    store.rescue(WORKER)

    assert [job.state for job in store.jobs(batch_id)] == [
        JobState.CANCELLED,
        JobState.FAILED,
        JobState.CANCELLED,
    ]


def test_a_late_answer_ends_a_held_job(store):
    batch_id = careful_batch(store)
    (flight,) = store.fly()
    store.rescue(WORKER)

    assert store.land(succeeded(flight)) == [batch_id]

    assert state(store, flight) == JobState.SUCCEEDED


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT])
def test_a_held_job_whose_only_call_was_not_paid_for_goes_on(store, outcome):
    batch_id = careful_batch(store)
    (flight,) = store.fly()
    store.set_job(flight.claim.job_id, max_attempts=1)
    store.rescue(WORKER)
    assert state(store, flight) == JobState.HELD

    store.land(replace(snoozed(flight), outcome=outcome))

    job = store.job(flight.claim.job_id)
    assert (job.state, job.attempts, job.error_code) == (JobState.QUEUED, 0, None)
    assert doubts(store, batch_id) == (0, 0)
    (again,) = store.fly()
    assert store.land(succeeded(again)) == [batch_id]


def test_a_held_job_whose_only_call_was_answered_with_a_refusal_for_good_fails_with_it(store):
    batch_id = careful_batch(store)
    (flight,) = store.fly()
    store.rescue(WORKER)

    assert store.land(failed(flight)) == [batch_id]

    job = store.job(flight.claim.job_id)
    assert (job.state, job.status_code) == (JobState.FAILED, 400)


def test_a_job_is_held_on_for_another_call_for_three_crashes_and_for_a_call_that_was_paid(store):
    careful_batch(store, lines=3)
    twice, thrice, paid = store.fly()
    store.set_job(thrice.claim.job_id, crashes=2)
    store.rescue(WORKER)
    store.unhold(twice.claim.job_id)
    (again,) = store.fly()
    store.land(retried(again))

    store.land(snoozed(twice), snoozed(thrice), replace(failed(paid), usage=USAGE))

    assert {state(store, flight) for flight in (twice, thrice, paid)} == {JobState.HELD}


def test_a_job_of_a_cancelled_batch_that_was_held_does_not_go_on(store):
    batch_id = careful_batch(store)
    (flight,) = store.fly()
    store.rescue(WORKER)
    store.cancel_batch(batch_id)

    store.land(snoozed(flight))

    assert state(store, flight) == JobState.CANCELLED


def test_a_job_that_is_let_go_can_run_even_with_no_attempt_left_and_three_crashes(store):
    batch_id = careful_batch(store)
    (flight,) = store.fly()
    job_id = flight.claim.job_id
    store.set_job(job_id, max_attempts=1, crashes=3)
    store.land(retried(flight))

    assert store.unhold(job_id) == flight.claim.lane
    assert store.unhold(job_id) is None

    job = store.job(job_id)
    assert (job.state, job.attempts, job.max_attempts, job.crashes) == (JobState.QUEUED, 1, 2, 0)
    (again,) = store.fly()
    assert store.land(succeeded(again)) == [batch_id]


def test_an_attempt_more_is_given_only_where_none_is_left(store):
    careful_batch(store)
    (flight,) = store.fly()
    store.land(retried(flight))

    store.unhold(flight.claim.job_id)

    assert store.job(flight.claim.job_id).max_attempts == 3


def test_a_held_job_that_is_given_up_fails_with_its_place_in_the_results(store):
    batch_id = careful_batch(store)
    (flight,) = store.fly()
    store.land(retried(flight))

    store.unhold(flight.claim.job_id, JobState.FAILED)

    job = store.job(flight.claim.job_id)
    assert (job.state, job.error_code, job.result_no) == (JobState.FAILED, "not_retried", 1)
    assert store.batch_row(batch_id).failed == 1
    assert store.close(batch_id) == [batch_id]
    assert store.batch_row(batch_id).status == BatchStatus.FINALIZING


def careful_batch(store, *, hold=True, **options):
    batch_id = store.batch(**options)
    store.set_batch(batch_id, hold_ambiguous=hold)
    return batch_id


def failed_in_doubt(flight):
    """What a timeout of the last attempt is."""
    return replace(failed(flight, 503), outcome=Outcome.AMBIGUOUS)
