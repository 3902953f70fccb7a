"""The sweep: jobs of dead workers are rescued; what workers and lanes it goes by."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from headrace.clock import now
from headrace.states import JobState, Outcome
from headrace.store import jobs, tables, workers
from headrace.store.sweeping import MAX_CRASHES
from tests.scene import LANE, WORKER, retried, succeeded

pytest_plugins = ["tests.databases"]


def test_a_job_that_was_only_claimed_goes_back_without_a_crash(store):
    (job_id,) = store.inline()
    store.claim()

    assert store.rescue(WORKER) == 1

    job = store.job(job_id)
    assert (job.state, job.attempts, job.crashes) == (JobState.QUEUED, 0, 0)
    assert job.lease_token is job.worker_id is None
    assert len(store.claim()) == 1


def test_a_call_that_was_under_way_stays_counted_as_ambiguous(store):
    (job_id,) = store.inline()
    store.fly()

    assert store.rescue(WORKER) == 1

    job, (attempt,) = store.job(job_id), store.attempts(job_id)
    assert (job.state, job.attempts, job.calls, job.crashes) == (JobState.QUEUED, 1, 1, 1)
    assert (attempt.outcome, attempt.error_code, attempt.tokens_booked) == (
        Outcome.AMBIGUOUS,
        "worker_lost",
        100,
    )
    assert attempt.landed_at is not None


def test_jobs_of_living_workers_are_left_alone(store):
    store.inline()
    store.fly()

    assert store.rescue() == 0
    assert store.rescue("worker-2") == 0


def test_a_worker_that_nobody_knows_gets_no_jobs(store):
    (job_id,) = store.inline()

    with store.db.begin() as session:
        assert jobs.claim(session, LANE, 10, "never-registered") == []
    assert store.job(job_id).state == JobState.QUEUED


def test_jobs_of_a_retired_worker_are_orphans(store):
    (job_id,) = store.inline()
    store.fly()
    with store.db.begin() as session:
        workers.retire(session, [WORKER])

    assert store.rescue() == 1
    assert store.job(job_id).state == JobState.QUEUED


def test_a_rescue_is_bounded(store):
    store.inline(5)
    store.claim()

    assert [store.rescue(WORKER, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_job_that_was_under_way_in_three_dead_workers_is_held(store):
    batch_id = store.batch(max_attempts=10)
    states = []
    for _ in range(MAX_CRASHES):
        assert len(store.fly()) == 1
        store.rescue(WORKER)
        states.append(store.jobs(batch_id)[0].state)

    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.HELD]
    assert store.claim() == []
    assert store.rescue(WORKER) == 0


def test_a_job_whose_last_attempt_was_lost_fails_and_says_why(store):
    batch_id = store.batch(max_attempts=1)
    store.fly()

    store.rescue(WORKER)

    (job,) = store.jobs(batch_id)
    assert (job.state, job.error_code, job.result_no) == (JobState.FAILED, "worker_lost", 1)


def test_only_the_lost_attempt_is_closed(store):
    (job_id,) = store.inline()
    (flight,) = store.fly()
    store.land(retried(flight, status_code=500))
    store.fly()

    store.rescue(WORKER)

    assert [attempt.status_code for attempt in store.attempts(job_id)] == [500, None]
    assert store.job(job_id).crashes == 1


def test_a_cancelled_job_of_a_dead_worker_ends(store):
    batch_id, (inline,) = store.batch(), store.inline()
    store.fly()
    store.cancel_batch(batch_id)
    store.cancel(inline)

    assert store.rescue(WORKER) == 2

    assert store.job(inline).state == JobState.CANCELLED
    assert store.batch_row(batch_id).cancelled == 1
    assert store.close(batch_id) == [batch_id]


def test_a_held_job_takes_its_late_answer(store):
    (job_id,) = store.inline(max_attempts=10)
    flights = []
    for _ in range(MAX_CRASHES):
        flights += store.fly()
        store.rescue(WORKER)
    assert store.job(job_id).state == JobState.HELD

    store.land(succeeded(flights[-1]))

    assert store.job(job_id).state == JobState.SUCCEEDED


def test_a_worker_beats_until_it_is_given_up(store):
    with store.db.begin() as session:
        workers.register(session, "worker-2", host="there", pid=2)
        assert [workers.beat(session, "worker-2") for _ in range(2)] == [True, True]
        assert workers.counters(session) == {WORKER: 0, "worker-2": 2}

        workers.retire(session, ["worker-2"])

        assert not workers.beat(session, "worker-2")
        assert workers.counters(session) == {WORKER: 0}


def test_only_a_worker_that_still_stands_where_it_was_seen_is_given_up(store):
    with store.db.begin() as session:
        workers.register(session, "worker-2", host="there", pid=2)
        seen = workers.counters(session)
        workers.beat(session, WORKER)

        assert workers.give_up(session, seen) == ["worker-2"]
        assert workers.give_up(session, {}) == []
        assert workers.counters(session) == {WORKER: 1}


def test_workers_seen_lately_are_alive(store):
    before = now()
    with store.db.begin() as session:
        assert workers.alive(session, before - timedelta(minutes=1)) == 1
        assert workers.alive(session, before) == 0
        workers.beat(session, WORKER)
        assert workers.alive(session, before) == 1


@pytest.mark.parametrize("names", [[], ["b"], ["b", "a", "b"]])
def test_lanes_are_opened_once(store, names):
    with store.db.begin() as session:
        workers.open_lanes(session, names)
        workers.open_lanes(session, names)
        assert set(session.execute(select(tables.lanes.c.name)).scalars()) == set(names)


def test_only_lanes_with_a_job_due_now_are_due(store):
    with store.db.begin() as session:
        workers.open_lanes(session, [LANE, "later", "running", "empty"])
    store.inline()
    (later,) = store.inline(lane="later")
    store.set_job(later, run_at=now() + timedelta(minutes=1))
    store.inline(lane="running")
    store.claim(lane="running")

    with store.db.read() as session:
        assert workers.due_lanes(session) == [LANE]
