"""Row 15: PostgreSQL restarted or away under load: answers wait, and nothing is called twice."""

import signal
import time

import pytest
from sqlalchemy import text

from headrace import migrations
from headrace.db import Database
from tests import servers
from tests.batch_input import many
from tests.invariants import check
from tests.scene import Scene
from tests.simulated import eventually

pytest_plugins = ["tests.hints", "tests.planted"]

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"


@pytest.fixture
def server():
    """One that no other test uses."""
    with servers.postgres() as server:
        yield server


@pytest.fixture
def store(server):
    db = Database(server.url)
    migrations.upgrade(db.engine)
    yield Scene(db)
    db.close()


def restart(server, how):
    server.process.send_signal(how)
    server.process.wait(30)
    server.stop()
    server.start()


def test_restarts_and_cut_connections_under_load_lose_nothing_and_call_nothing_twice(plant, server):
    witness = plant.provider(latency_ms=300)
    worker = plant.worker(rpm=1200)
    batch_id = plant.submit(*many(200))

    eventually(lambda: witness.count("received") > 20, 30)
    with plant.store.db.begin() as session:
        session.execute(text(f"{TERMINATE} AND datname = current_database()"))
    received = witness.count("received")
    eventually(lambda: witness.count("received") > received + 20, 30)
    restart(server, signal.SIGINT)  # "fast"
    received = witness.count("received")
    eventually(lambda: witness.count("received") > received + 20, 30)
    restart(server, signal.SIGQUIT)  # "immediate"

    assert plant.finished(batch_id).succeeded == 200
    account = check(plant.store.db, [witness])
    assert (account.calls, account.ambiguous) == (200, 0)
    assert worker.process.poll() is None


@pytest.mark.faults
def test_a_minute_away_is_waited_out_with_the_answers_on_disk(plant, server):
    witness = plant.provider(latency_ms=3000, latency_spread=0)
    plant.worker(rpm=600)
    batch_id = plant.submit(*many(100))
    eventually(lambda: witness.count("in_flight") > 20, 30)

    server.stop()
    away_since = time.monotonic()
    spool = plant.settings.data_dir / "spool"
    eventually(lambda: sum(path.stat().st_size for path in spool.glob("*.jsonl")), 30)
    eventually(lambda: witness.count("in_flight") == 0, 30)
    received = witness.count("received")
    eventually(lambda: time.monotonic() > away_since + 60, 70)
    assert witness.count("received") == received
    server.start()

    assert plant.finished(batch_id).succeeded == 100
    account = check(plant.store.db, [witness])
    assert (account.calls, account.ambiguous) == (100, 0)
    assert not sum(path.stat().st_size for path in spool.glob("*.jsonl"))
