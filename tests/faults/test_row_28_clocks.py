"""Row 28: clocks that jump an hour forth and back, and hosts whose clocks are minutes apart."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from headrace import clock
from headrace.clock import Clock, now
from headrace.limits import connect
from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import workers
from tests.batch_input import line, many
from tests.invariants import check, check_rows
from tests.kinds import on_postgresql
from tests.scene import LANE, WORKER
from tests.simulated import eventually
from tests.sweepers import LEASE_SECONDS, SWEEPING, beat, look_out, sweeper_of
from tests.witness import attempts_of
from tests.wrong_clock import WrongClock

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

HOUR = timedelta(hours=1)


@pytest.fixture
def host(monkeypatch):
    """This host, whose clock can be set."""

    class Host:
        ahead = timedelta()

        def jump(self, by):
            """Noticed at the next unit of work."""
            self.ahead = by
            monkeypatch.setattr("headrace.clock._clock", Clock(self.time, time.monotonic))

        def time(self):
            return datetime.now(UTC) + self.ahead

    host = Host()
    monkeypatch.setattr("headrace.clock.host", host.time)
    host.jump(timedelta())
    return host


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_jump_takes_no_job_from_a_living_worker_and_ends_no_batch(
    store, host, hints, redis_client_url, tmp_path, hours
):
    batch_id = store.batch(lines=3)
    store.fly(1)
    store.claim(1)
    with store.db.begin() as session:
        workers.register(session, SWEEPING[0], host="here", pid=2)
        workers.open_lanes(session, [LANE])
    with connect(redis_client_url) as client:
        sweeper = sweeper_of(store, SWEEPING[0], client, tmp_path)
        for _ in range(3):
            sweeper.sweep()
            host.jump(hours * HOUR)
            beat(store, WORKER, *SWEEPING[:1], times=3)
        sweeper.sweep()

    assert [job.state for job in store.jobs(batch_id)] == [
        JobState.RUNNING,
        JobState.RUNNING,
        JobState.QUEUED,
    ]
    assert store.batch_row(batch_id).status == BatchStatus.IN_PROGRESS
    look_out(store)
    assert ("headrace.drain", LANE) in hints.taken()
    assert len(store.claim()) == 1, "what was due is due"


def test_an_hour_back_holds_no_due_job_up(store, host, hints, redis_client_url, tmp_path):
    """Seen from the time after the jump, the job waits for an hour."""
    host.jump(HOUR)
    store.batch()
    (job,) = store.jobs()
    store.set_job(job.id, run_at=datetime.now(UTC) + HOUR)
    host.jump(timedelta())
    assert store.claim() == []

    with store.db.begin() as session:
        workers.open_lanes(session, [LANE])
    with connect(redis_client_url) as client:
        sweeper_of(store, SWEEPING[0], client, tmp_path).sweep()

    look_out(store)
    assert ("headrace.drain", LANE) in hints.taken()
    assert len(store.claim()) == 1


@on_postgresql
@pytest.mark.parametrize("minutes", [-65, 65])
def test_a_host_with_another_time_writes_and_judges_by_the_databases(store, host, minutes):
    host.jump(timedelta(minutes=minutes))
    beat(store, WORKER)
    with store.db.read() as session:
        told = session.connection().exec_driver_sql("SELECT seen_at - clock_timestamp() FROM workers")
        assert abs(told.scalar_one()) < timedelta(seconds=30)
        assert workers.alive(session, now() - timedelta(seconds=LEASE_SECONDS)) == 1
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def started(plant, monkeypatch, clock, **settings):
    """A worker on a host with that clock."""
    with monkeypatch.context() as environment:
        for name, value in clock.environment.items():
            environment.setenv(name, value)
        return plant.worker(**settings)


def mixed():
    """Lines whose calls wait for a time in between."""
    waits = ("[[sim:500x1]]", "[[sim:429:1x1]]")
    retried = [
        line(f"{wait}-{n}", body={"messages": [{"role": "user", "content": f"{wait} {n}"}]})
        for wait in waits
        for n in range(10)
    ]
    return [*retried, *many(300)]


def goes_on(witness):
    """Until 200 more calls were made."""
    seen = witness.count("received")
    eventually(lambda: witness.count("received") > seen + 200, 60)


@pytest.mark.faults
@pytest.mark.timeout(200)
@on_postgresql
def test_workers_whose_clocks_are_ten_minutes_apart_share_a_batch(plant, monkeypatch, tmp_path):
    began = datetime.now(UTC)
    witness = plant.provider(latency_ms=100.0)
    for name, seconds in (("slow", -300), ("fast", 300)):
        started(plant, monkeypatch, WrongClock(tmp_path / name, seconds), rpm=1200, lease_seconds=9)
    batch_id = plant.submit(*mixed())

    batch = plant.finished(batch_id, 90)

    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 320)
    account = check(plant.store.db, [witness])
    assert account.lost == 0
    attempts = [attempt for job in plant.store.jobs(batch_id) for attempt in plant.store.attempts(job.id)]
    assert len({attempt.worker_id for attempt in attempts}) == 2
    for attempt in attempts:
        assert began < attempt.departed_at <= attempt.landed_at < datetime.now(UTC) + timedelta(seconds=5)


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_batch_goes_on_when_the_clock_of_its_worker_jumps(plant, monkeypatch, tmp_path, hours):
    witness = plant.provider(latency_ms=100.0)
    clock = WrongClock(tmp_path / "clock")
    worker = started(plant, monkeypatch, clock, rpm=1200, lease_seconds=9)
    batch_id = plant.submit(*mixed(), *(line(f"more-{n}") for n in range(300)))
    for jump in (3600 * hours, 0):
        clock.jump_to(jump)
        goes_on(witness)

    batch = plant.finished(batch_id, 120)

    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 620)
    assert worker.process.poll() is None
    assert f"given up for dead: {worker.id}" not in worker.log.read_text()
    if plant.store.db.engine.dialect.name == "postgresql":
        assert check(plant.store.db, [witness]).lost == 0
    else:  # its rows have the times of the host that jumped, the provider's log has not
        check_rows(plant.store.db)
        attempts = attempts_of(plant.store.db, batch_id)
        called = {call.attempt for call in witness.calls()}
        assert len(called) == witness.count("received")
        assert called <= set(attempts)
        uncalled = {(attempts[id_].outcome, attempts[id_].error_code) for id_ in set(attempts) - called}
        assert {outcome for outcome, _ in uncalled} <= {Outcome.NOT_SENT}, uncalled
