"""Jobs that are leased to a living process which knows nothing of them."""

from headrace.states import JobState, Outcome
from headrace.store.sweeping import take_back
from tests.scene import WORKER
from worker.lost_claims import LostClaims
from worker.stopping import StopFlag

pytest_plugins = ["tests.databases"]


def lost_claims(store, held):
    return LostClaims(store.db, WORKER, StopFlag(), lambda: held, 45)


def lease(claim):
    return (claim.job_id, claim.token)


def test_what_was_unknown_at_two_looks_is_put_back_and_what_is_held_stays(store):
    batch_id = store.batch(3)
    known, *unknown = store.claim()
    looking = lost_claims(store, {lease(known)})

    looking.look()
    assert {job.state for job in store.jobs(batch_id)} == {JobState.RUNNING}
    looking.look()

    states = {job.id: job.state for job in store.jobs(batch_id)}
    assert states == {known.job_id: JobState.RUNNING} | {job.job_id: JobState.QUEUED for job in unknown}
    assert {job.crashes for job in store.jobs(batch_id)} == {0}


def test_what_is_claimed_anew_between_the_looks_is_not_put_back(store):
    batch_id = store.batch(1)
    (first,) = store.claim()
    looking = lost_claims(store, set())
    looking.look()
    store.release([first])
    store.claim()

    looking.look()

    assert {job.state for job in store.jobs(batch_id)} == {JobState.RUNNING}


def test_what_was_claimed_anew_after_the_look_is_not_put_back(store):
    batch_id = store.batch(1)
    (first,) = store.claim()
    store.release([first])
    store.claim()

    with store.db.begin() as session:
        assert take_back(session, {first.job_id: first.token}) == 0

    assert {job.state for job in store.jobs(batch_id)} == {JobState.RUNNING}


def test_jobs_of_others_are_not_ours_to_put_back(store):
    batch_id = store.batch(1)
    store.claim(worker="worker-2")
    looking = lost_claims(store, set())

    looking.look()
    looking.look()

    assert {job.state for job in store.jobs(batch_id)} == {JobState.RUNNING}


def test_a_call_of_which_nobody_knows_the_end_is_ambiguous(store):
    store.batch(1)
    (flight,) = store.fly()
    looking = lost_claims(store, set())

    looking.look()
    looking.look()

    (attempt,) = store.attempts(flight.claim.job_id)
    assert attempt.outcome == Outcome.AMBIGUOUS
