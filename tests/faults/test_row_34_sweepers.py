"""Row 34: no beat, two beats, two sweepers at once, a leader that is killed in the middle of its sweep."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis

from headrace.broker import BEAT_KEY
from headrace.embedded.environment import variables
from headrace.limits import connect
from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import workers
from tests.batch_input import given, many
from tests.invariants import check, check_rows
from tests.kinds import each_database_in_faults
from tests.plant import ROOT
from tests.simulated import eventually
from tests.sweepers import SWEEPING, sweeper_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

ROUNDS = 4
BEAT = [sys.executable, "-m", "celery", "-A", "worker", "beat"]


@pytest.fixture
def leaders(store, valkey_url, hints, tmp_path):  # noqa: ARG001 - hints must not go elsewhere
    """Two sweepers that both lead, since neither knows of the other's lock."""
    urls = [f"{valkey_url}/{number}" for number in (1022, 1023)]
    with store.db.begin() as session:
        for worker in SWEEPING:
            workers.register(session, worker, host="here", pid=2)
    with connect(urls[0]) as one, connect(urls[1]) as other:
        for client in (one, other):
            client.flushdb()
        yield [
            sweeper_of(store, worker, client, tmp_path)
            for worker, client in zip(SWEEPING, (one, other), strict=True)
        ]


def test_two_sweepers_at_once_do_everything_once(store, leaders, caplog):
    cancelled, orphaned = store.batch(lines=300, lane="another"), store.batch(lines=ROUNDS * 60)
    store.cancel_batch(cancelled)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            assert store.fly(40, worker="gone")
            assert store.claim(20, worker="gone")
            start = Barrier(2)
            for done in [pool.submit(sweep, leader, start) for leader in leaders]:
                done.result(30)
            assert {job.state for job in store.jobs(orphaned)} == {JobState.QUEUED}

    lost = [store.attempts(job.id) for job in store.jobs(orphaned)]
    assert sum(job.crashes for job in store.jobs(orphaned)) == ROUNDS * 40 == sum(map(len, lost))
    assert {attempt.outcome for attempts in lost for attempt in attempts} == {Outcome.AMBIGUOUS}
    batch = store.batch_row(orphaned)
    assert batch.ambiguous_calls == ROUNDS * 40
    assert (store.batch_row(cancelled).cancelled, store.batch_row(cancelled).total) == (300, 300)
    assert sorted(job.result_no for job in store.jobs(cancelled)) == list(range(1, 301))
    assert "broke off" not in caplog.text
    check_rows(store.db)


def sweep(leader, start):
    start.wait(10)
    leader.sweep()


@each_database_in_faults
def test_without_beat_and_without_hints_a_leader_killed_in_its_sweep_is_followed_by_another(plant):
    witness = plant.provider()
    batch_id = given(plant.store, plant.settings, *many(40))
    leader = plant.worker(failpoints="sweep=kill@3", lease_seconds=2)
    assert leader.process.wait(30) != 0

    plant.worker(lease_seconds=2)

    batch = plant.finished(batch_id)
    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 40)
    check(plant.store.db, [witness])


@pytest.fixture
def two_beats(plant, tmp_path):
    beats = []
    for number in (1, 2):
        schedule = ["--schedule", str(tmp_path / f"beat-{number}"), "--pidfile="]
        with (tmp_path / "beat.log").open("ab") as log:
            beats.append(
                subprocess.Popen(
                    [*BEAT, *schedule], cwd=ROOT, env=variables(plant.settings), stdout=log, stderr=log
                )
            )
    yield beats
    for beat in beats:
        beat.kill()
        beat.wait(10)


@pytest.mark.faults
@pytest.mark.timeout(200)
def test_two_beats_and_hearts_that_miss_beats_harm_nothing(plant, two_beats, redis_client_url):
    witness = plant.provider(latency_ms=200.0)
    crew = [plant.worker(rpm=600, lease_seconds=8, failpoints="heartbeat=raise%20", seed=n) for n in range(3)]
    batch_id = plant.submit(*many(200))
    with redis.Redis.from_url(redis_client_url) as client:
        eventually(lambda: client.exists(BEAT_KEY), 40)
    eventually(lambda: witness.count("received") > 20, 40)

    batch = plant.finished(batch_id, 90)

    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 200)
    assert {process.poll() for process in two_beats} == {None}
    assert {worker.process.poll() for worker in crew} == {None}
    account = check(plant.store.db, [witness])
    assert account.extra_calls == 0
