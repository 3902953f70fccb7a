"""Row 19: SQLite locked by somebody for long, a reader that does not end, and kills within transactions."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from headrace import sqlite
from headrace.db import Database
from headrace.states import BatchStatus, JobState
from tests.batch_input import many
from tests.invariants import check, check_rows
from tests.kinds import on_sqlite
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

ROOT = Path(__file__).parent.parent.parent

HOLDER = """
import sys
from headrace.db import Database

with Database(sys.argv[1]).begin() as session:
    session.connection()
    print("locked", flush=True)
    sys.stdin.read()
"""

# Waits for the lock in one greenlet and looks at the clock in another.
WAITER = """
from gevent import monkey; monkey.patch_all()
import sys, time, gevent
from headrace.db import Database

longest, last = 0.0, time.monotonic()

def tick():
    global longest, last
    while True:
        gevent.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()

ticking = gevent.spawn(tick)
database = Database(sys.argv[1])
began = time.monotonic()

def write():
    with database.begin() as session:
        session.connection().exec_driver_sql("SELECT 1")

print("waiting", flush=True)
gevent.joinall([gevent.spawn(write) for _ in range(8)], raise_error=True)
waited = time.monotonic() - began
gevent.sleep(0.1)  # for a last look
print(waited, longest, flush=True)
"""

# Claims, flies and lands for ever; prints a line when it is at it.
TURMOIL = """
import sys
from headrace.clock import now
from headrace.db import Database
from headrace.store import jobs, landings, workers
from tests.scene import LANE, Scene, retried, succeeded

scene = Scene.__new__(Scene)
scene.db = Database(sys.argv[1])
worker = sys.argv[2]
with scene.db.begin() as session:
    workers.register(session, worker, host="here", pid=1)
print("at it", flush=True)
while True:
    for number, flight in enumerate(scene.fly(3, worker=worker)):
        scene.land(succeeded(flight) if number else retried(flight, now()))
"""


def run(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def url_of(store):
    return store.db.engine.url.render_as_string(hide_password=False)


@contextmanager
def locked(url):
    """Another process holds the write lock."""
    holder = run(HOLDER, url)
    try:
        assert holder.stdout.readline() == "locked\n"
        yield
    finally:
        holder.communicate(timeout=30)


@on_sqlite
def test_greenlets_that_wait_for_the_lock_stop_nobody_else(store):
    with locked(url_of(store)):
        waiter = run(WAITER, url_of(store))
        assert waiter.stdout.readline() == "waiting\n"
        time.sleep(3)
    waited, longest_stop = map(float, waiter.communicate(timeout=30)[0].split())

    assert waited >= 2
    assert longest_stop < 1


@on_sqlite
def test_a_writer_waits_no_longer_than_it_must_and_then_says_so(store, monkeypatch):
    monkeypatch.setattr(sqlite, "WRITER_SECONDS", 1.0)
    with locked(url_of(store)):
        began = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            store.inline()
        assert 1 <= time.monotonic() - began < 5
        assert store.jobs() == [], "readers wait for nobody"

    assert len(store.inline()) == 1


def test_after_a_long_reader_the_log_is_small_again(sqlite_database_url, monkeypatch):
    monkeypatch.setattr(sqlite, "WAL_BYTES", 1_000_000)
    database = Database(sqlite_database_url)
    log = Path(f"{database.engine.url.database}-wal")

    def write(times):
        for _ in range(times):
            with database.begin() as session:
                session.connection().exec_driver_sql("INSERT INTO t VALUES (randomblob(100000))")

    with database.begin() as session:
        session.connection().exec_driver_sql("CREATE TABLE t (x)")
    with database.read() as reader:
        reader.connection().exec_driver_sql("SELECT count(*) FROM t").scalar()
        write(60)
        assert log.stat().st_size > 5_000_000
    write(10)

    assert log.stat().st_size < 2_500_000
    database.close()


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=[pytest.mark.faults, pytest.mark.timeout(400)])])
@on_sqlite
def test_kills_in_the_midst_of_transactions_leave_a_sound_database(store, kills):
    chance = random.Random(kills)
    batch_id = store.batch(lines=100 * kills, max_attempts=100)
    for number in range(kills):
        process = run(TURMOIL, url_of(store), f"turmoil-{number}")
        assert process.stdout.readline() == "at it\n"
        time.sleep(chance.uniform(0.01, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        store.rescue(f"turmoil-{number}")
        check_rows(store.db)

    with store.db.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
    log = Path(f"{store.db.engine.url.database}-wal")
    assert log.stat().st_size <= sqlite.WAL_BYTES
    assert {job.state for job in store.jobs(batch_id)} >= {JobState.SUCCEEDED}


@pytest.mark.faults
@pytest.mark.timeout(300)
@on_sqlite
def test_a_batch_waits_for_a_database_that_is_locked_for_half_a_minute(plant):
    witness = plant.provider(latency_ms=200.0)
    worker = plant.worker(rpm=1200)
    batch_id = plant.submit(*many(400))
    eventually(lambda: plant.store.batch_row(batch_id).succeeded > 20, 60)

    with locked(url_of(plant.store)):
        time.sleep(40)

    batch = plant.finished(batch_id, 120)
    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 400)
    assert worker.process.poll() is None
    assert "given up for dead" not in worker.log.read_text()
    check(plant.store.db, [witness])
