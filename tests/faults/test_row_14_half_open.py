"""Row 14: half-open connections: the kernel at the other end acknowledges, and nobody answers."""

import time

import pytest
from sqlalchemy.exc import OperationalError

from headrace import postgres
from headrace.db import Database
from headrace.limits import connect
from headrace.states import BatchStatus
from tests.batch_input import many
from tests.chaos import ChaosProxy
from tests.invariants import check
from tests.kinds import on_postgresql
from tests.scene import ping
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

NOTICED_SECONDS = 60
NOTICES = ("no heartbeat", "a sweep broke off", "wait for the database", "could not be written")


@pytest.fixture
def proxied(postgres_url):
    """A way to the database that may fall silent, and the database through it."""
    with ChaosProxy.before(postgres_url) as proxy:
        database = Database(f"{proxy.through(postgres_url)}?connect_timeout=2")
        yield proxy, database
        database.close()


def test_a_unit_of_work_ends_when_the_database_falls_silent(proxied, monkeypatch):
    proxy, database = proxied
    monkeypatch.setattr(postgres, "UNIT_SECONDS", 2.0)
    began = time.monotonic()

    def unit_of_work():
        with database.begin() as session:
            session.connection().exec_driver_sql("SELECT 1")
            proxy.blackhole()
            session.connection().exec_driver_sql("SELECT 1")

    with pytest.raises(OperationalError, match="in time"):
        unit_of_work()

    assert 1.9 < time.monotonic() - began < 10
    proxy.heal()
    ping(database)


def test_an_idle_connection_that_fell_silent_is_replaced(proxied, monkeypatch):
    proxy, database = proxied
    monkeypatch.setattr(postgres, "IDLE_ANSWER_SECONDS", 1.0)
    ping(database)
    time.sleep(postgres.FRESH_SECONDS)
    proxy.blackhole()
    began = time.monotonic()

    with pytest.raises(OperationalError):
        ping(database)

    assert time.monotonic() - began < 20
    proxy.heal()
    ping(database)


def test_what_is_not_a_unit_of_work_may_take_longer(proxied, monkeypatch):
    _, database = proxied
    monkeypatch.setattr(postgres, "UNIT_SECONDS", 0.2)
    monkeypatch.setattr(postgres, "IDLE_ANSWER_SECONDS", 0.2)

    with database.engine.begin() as connection:  # as migrations do
        connection.exec_driver_sql("SELECT pg_sleep(1)")
    with pytest.raises(OperationalError, match="in time"), database.begin() as session:
        session.connection().exec_driver_sql("SELECT pg_sleep(10)")


@pytest.mark.faults
@pytest.mark.timeout(400)
@on_postgresql
def test_a_silent_database_is_noticed_and_the_batch_goes_on(plant, postgres_url):
    with ChaosProxy.before(postgres_url) as proxy:
        url = plant.store.db.engine.url.render_as_string(hide_password=False)
        witness = plant.provider(latency_ms=500.0)
        worker = plant.worker(database_url=proxy.through(url), rpm=1200)
        batch_id = plant.submit(*many(600))
        eventually(lambda: plant.store.batch_row(batch_id).succeeded > 20, 60)

        proxy.blackhole()
        eventually(lambda: any(word in worker.log.read_text() for word in NOTICES), NOTICED_SECONDS)
        time.sleep(NOTICED_SECONDS)  # a silence, not a hiccup
        proxy.heal()

        batch = plant.finished(batch_id, 180)
        assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 600)
        assert worker.process.poll() is None
        check(plant.store.db, [witness])


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_a_silent_redis_is_noticed_and_the_batch_goes_on(plant, redis_client_url):
    with ChaosProxy.before(redis_client_url) as proxy:
        witness = plant.provider(latency_ms=200.0)
        worker = plant.worker(redis_url=proxy.through(redis_client_url), rpm=1200)
        batch_id = plant.submit(*many(600))
        eventually(lambda: plant.store.batch_row(batch_id).succeeded > 20, 60)

        proxy.blackhole()
        eventually(lambda: "Redis does not answer" in worker.log.read_text(), NOTICED_SECONDS)
        with connect(redis_client_url) as client:
            assert client.ping(), "only the way to it is silent"
        time.sleep(NOTICED_SECONDS)
        before = witness.count("received")
        proxy.heal()

        eventually(lambda: witness.count("received") > before, NOTICED_SECONDS)
        batch = plant.finished(batch_id, 180)
        assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 600)
        assert worker.process.poll() is None
        check(plant.store.db, [witness])
