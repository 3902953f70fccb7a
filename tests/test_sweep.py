"""The periodic duty: rescue, end, wake. It is the one thing that nobody has to ask for."""

from datetime import datetime, timedelta

import pytest
import redis

from headrace.broker import BEAT_KEY
from headrace.clock import now
from headrace.limits import connect
from headrace.states import BatchStatus, JobState
from headrace.store.workers import open_lanes
from tests import servers
from tests.scene import LANE, WORKER, succeeded
from tests.sweepers import states, sweeper_of
from worker.sweep import BEAT_SEEN_SECONDS

pytest_plugins = ["tests.databases", "tests.hints", "tests.sweeper_fixtures"]


def open_lane(store, lane=LANE):
    with store.db.begin() as session:
        open_lanes(session, [lane])


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


def test_jobs_that_wait_for_a_clock_that_was_put_back_are_due(store, sweeper, monkeypatch):
    monkeypatch.setattr("worker.sweep.SLICE", 2)
    open_lane(store)
    late, soon = store.batch(lines=3), store.batch()
    for job in store.jobs():
        delay = timedelta(hours=1) if job.batch_id == late else timedelta(minutes=6)
        store.set_job(job.id, run_at=now() + delay)
    store.inline(lane="another")

    sweeper.sweep()

    assert {job.run_at <= now() for job in store.jobs(late)} == {True}
    assert {job.run_at <= now() for job in store.jobs(soon)} == {False}


def test_beat_leaves_a_sign_and_sweeps(store, sweeper, redis_client_url):
    batch_id = store.batch()
    store.claim(worker="worker-gone")

    sweeper.beat()

    assert states(store, batch_id) == {JobState.QUEUED: 1}
    with connect(redis_client_url) as client:
        assert abs(datetime.fromisoformat(client.get(BEAT_KEY)) - now()) < timedelta(minutes=1)
        assert 0 < client.ttl(BEAT_KEY) <= BEAT_SEEN_SECONDS


def test_a_sweep_without_valkey_breaks_off_and_the_next_one_does_the_work(store, tmp_path):
    batch_id = store.batch()
    store.claim(worker="worker-gone")
    with servers.valkey() as valkey, connect(valkey.url) as client:
        sweeper = sweeper_of(store, WORKER, client, tmp_path)
        sweeper.sweep()
        store.claim(worker="worker-gone")
        valkey.kill()
        sweeper.sweep()
        assert states(store, batch_id) == {JobState.RUNNING: 1}
        valkey.start()

        sweeper.sweep()

    assert states(store, batch_id) == {JobState.QUEUED: 1}
