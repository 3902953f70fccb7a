"""Who is given up for dead: by counters and a monotonic clock, never by the time of day."""

import redis

from headrace.states import JobState, Outcome
from headrace.store import workers
from tests.scene import WORKER
from tests.sweepers import LEASE_SECONDS, SWEEPING, alive, beat, lease_goes_by, states

pytest_plugins = ["tests.databases", "tests.hints", "tests.sweeper_fixtures"]


def test_jobs_of_a_worker_that_stood_still_too_long_are_rescued(store, sweeper, clock):
    batch_id = store.batch(lines=3)
    (departed,) = store.fly(1)
    store.claim(1)
    sweeper.sweep()
    beat(store, *SWEEPING, times=4)
    clock.seconds += LEASE_SECONDS

    sweeper.sweep()
    assert states(store, batch_id) == {JobState.RUNNING: 2, JobState.QUEUED: 1}
    clock.seconds += 1
    sweeper.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 3}
    assert alive(store) == set(SWEEPING)
    (attempt,) = store.attempts(departed.claim.job_id)
    assert (attempt.outcome, attempt.error_code) == (Outcome.AMBIGUOUS, "worker_lost")


def test_a_worker_that_moves_keeps_its_jobs(store, sweeper, clock):
    batch_id = store.batch()
    store.fly()

    for _ in range(5):
        sweeper.sweep()
        clock.seconds += LEASE_SECONDS - 1
        beat(store, WORKER, *SWEEPING, times=4)

    assert states(store, batch_id) == {JobState.RUNNING: 1}
    assert alive(store) == {WORKER, *SWEEPING}


def test_a_database_that_was_away_for_a_minute_makes_nobody_look_dead(store, sweeper, clock):
    batch_id = store.batch()
    store.fly()
    sweeper.sweep()
    clock.seconds += 60

    for _ in range(2):
        beat(store, *SWEEPING)
        sweeper.sweep()
        assert states(store, batch_id) == {JobState.RUNNING: 1}

    beat(store, *SWEEPING)
    sweeper.sweep()
    assert states(store, batch_id) == {JobState.QUEUED: 1}, "it had the time of three beats to show itself"


def test_a_sweeper_that_was_stopped_calls_nobody_dead_who_did_not_stop(store, sweeper, clock):
    batch_id = store.batch()
    store.fly()
    sweeper.sweep()
    clock.seconds += 3600
    beat(store, WORKER)

    sweeper.sweep()

    assert states(store, batch_id) == {JobState.RUNNING: 1}


def test_a_worker_that_was_given_up_calls_nobody_dead(store, sweeper, clock):
    batch_id = store.batch()
    store.fly()
    sweeper.sweep()
    with store.db.begin() as session:
        workers.retire(session, [SWEEPING[0]])
    clock.seconds += LEASE_SECONDS + 1
    sweeper.sweep()
    with store.db.begin() as session:
        workers.register(session, SWEEPING[0], host="here", pid=2)
    beat(store, *SWEEPING, times=9)
    sweeper.sweep()

    assert states(store, batch_id) == {JobState.RUNNING: 1}
    lease_goes_by(store, clock, *SWEEPING)
    sweeper.sweep()
    assert states(store, batch_id) == {JobState.QUEUED: 1}


def test_the_follower_has_watched_the_workers_too(store, sweepers, clock, redis_client_url):
    first, second = sweepers
    batch_id = store.batch()
    store.claim()
    first.sweep()
    second.sweep()
    lease_goes_by(store, clock, *SWEEPING)

    second.sweep()
    assert states(store, batch_id) == {JobState.RUNNING: 1}
    with redis.Redis.from_url(redis_client_url) as client:
        client.flushdb()
    second.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 1}
