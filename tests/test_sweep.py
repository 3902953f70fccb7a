"""The periodic duty: rescue, end, wake. It is the one thing that nobody has to ask for."""

from collections import Counter
from datetime import timedelta

import pytest
import redis

from headrace.clock import now
from headrace.limits import connect
from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import workers
from headrace.store.workers import open_lanes
from tests import servers
from tests.scene import LANE, WORKER, retried, succeeded
from worker.stopping import StopFlag
from worker.sweep import DEAD_AFTER_SECONDS, Sweeper

pytest_plugins = ["tests.databases", "tests.hints"]


class Clock:
    """The sweeper's monotonic clock."""

    def __init__(self):
        self.seconds = 1000.0

    def monotonic(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("worker.sweep.time", clock)
    return clock


@pytest.fixture
def sweepers(store, redis_client_url, hints):  # noqa: ARG001 - hints must not go elsewhere
    """Sweepers of several processes."""
    with connect(redis_client_url) as client:
        yield [Sweeper(store.db, client, StopFlag()) for _ in range(2)]


@pytest.fixture
def sweeper(sweepers):
    return sweepers[0]


def beat(store, worker=WORKER):
    with store.db.begin() as session:
        assert workers.beat(session, worker)


def alive(store):
    with store.db.read() as session:
        return set(workers.counters(session))


def open_lane(store, lane=LANE):
    with store.db.begin() as session:
        open_lanes(session, [lane])


def states(store, batch_id):
    return Counter(job.state for job in store.jobs(batch_id))


def test_jobs_of_a_worker_that_stood_still_too_long_are_rescued(store, sweeper, clock):
    batch_id = store.batch(lines=3)
    (departed,) = store.fly(1)
    store.claim(1)
    sweeper.sweep()
    clock.seconds += DEAD_AFTER_SECONDS

    sweeper.sweep()
    assert states(store, batch_id) == {JobState.RUNNING: 2, JobState.QUEUED: 1}
    clock.seconds += 1
    sweeper.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 3}
    assert alive(store) == set()
    (attempt,) = store.attempts(departed.claim.job_id)
    assert (attempt.outcome, attempt.error_code) == (Outcome.AMBIGUOUS, "worker_lost")


def test_a_worker_that_moves_keeps_its_jobs(store, sweeper, clock):
    batch_id = store.batch()
    store.fly()

    for _ in range(5):
        sweeper.sweep()
        clock.seconds += DEAD_AFTER_SECONDS - 1
        beat(store)

    assert states(store, batch_id) == {JobState.RUNNING: 1}
    assert alive(store) == {WORKER}


def test_jobs_of_a_worker_that_nobody_knows_are_rescued_at_once(store, sweeper):
    batch_id = store.batch(lines=2)
    store.claim(worker="worker-gone")

    sweeper.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 2}


def test_every_slice_is_rescued(store, sweeper, monkeypatch):
    monkeypatch.setattr("worker.sweep.SLICE", 2)
    batch_id = store.batch(lines=5)
    store.claim(worker="worker-gone")

    sweeper.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 5}


@pytest.mark.parametrize("end", [JobState.CANCELLED, JobState.EXPIRED])
def test_waiting_jobs_of_a_batch_that_must_end_do(store, sweeper, hints, monkeypatch, end):
    monkeypatch.setattr("worker.sweep.SLICE", 2)
    batch_id, other = store.batch(lines=6), store.batch(lines=1)
    (departed,) = store.fly(1)
    if end is JobState.CANCELLED:
        store.cancel_batch(batch_id)
    else:
        store.set_batch(batch_id, expires_at=now() - timedelta(seconds=1))

    sweeper.sweep()

    assert states(store, batch_id) == {end: 5, JobState.RUNNING: 1}
    assert states(store, other) == {JobState.QUEUED: 1}
    assert hints.taken() == []

    store.land(succeeded(departed))
    sweeper.sweep()
    assert hints.taken() == [("headrace.finalise", batch_id)]


def test_a_batch_whose_last_job_ended_without_a_word_is_finalised(store, sweeper, hints):
    batch_id = store.batch(lines=2)
    for job in store.jobs(batch_id):
        store.cancel(job.id)

    sweeper.sweep()

    assert store.batch_row(batch_id).status == BatchStatus.FINALIZING
    assert hints.taken() == [("headrace.finalise", batch_id)]


def test_a_batch_that_was_not_read_yet_is_ingested(store, sweeper, hints):
    batch_id = store.new_batch()

    sweeper.sweep()
    sweeper.sweep()

    assert hints.taken() == [("headrace.ingest", batch_id)] * 2


def test_every_worker_is_woken_for_a_lane_with_due_jobs(store, sweeper, hints):
    store.batch(lines=3)
    open_lane(store)
    open_lane(store, "nobody-asks-for-it")
    with store.db.begin() as session:
        workers.register(session, "worker-2", host="there", pid=2)

    sweeper.sweep()

    assert hints.taken() == [("headrace.drain", LANE)] * 2


def test_nobody_is_woken_before_a_job_is_due(store, sweeper, hints):
    store.batch()
    open_lane(store)
    store.land(*(retried(flight, now() + timedelta(hours=1)) for flight in store.fly()))

    sweeper.sweep()

    assert hints.taken() == []


def test_one_sweeper_leads_until_its_lock_is_gone(store, sweepers, hints, redis_client_url):
    first, second = sweepers
    store.new_batch()

    first.sweep()
    second.sweep()
    first.sweep()
    assert len(hints.taken()) == 2

    with redis.Redis.from_url(redis_client_url) as client:
        client.flushdb()  # a Valkey that was restarted knows of no lock
    second.sweep()
    first.sweep()
    assert len(hints.taken()) == 1


def test_the_follower_has_watched_the_workers_too(store, sweepers, clock, redis_client_url):
    first, second = sweepers
    batch_id = store.batch()
    store.claim()
    first.sweep()
    second.sweep()
    clock.seconds += DEAD_AFTER_SECONDS + 1

    second.sweep()
    assert states(store, batch_id) == {JobState.RUNNING: 1}
    with redis.Redis.from_url(redis_client_url) as client:
        client.flushdb()
    second.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 1}


def test_a_sweep_without_valkey_breaks_off_and_the_next_one_does_the_work(store):
    batch_id = store.batch()
    store.claim(worker="worker-gone")
    with servers.valkey() as valkey, connect(valkey.url) as client:
        sweeper = Sweeper(store.db, client, StopFlag())
        sweeper.sweep()
        store.claim(worker="worker-gone")
        valkey.kill()
        sweeper.sweep()
        assert states(store, batch_id) == {JobState.RUNNING: 1}
        valkey.start()

        sweeper.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 1}
