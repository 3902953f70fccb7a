"""Row 17: the old primary answers, and is read-only since another one was promoted."""

from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from headrace import migrations
from headrace.db import Database
from headrace.states import BatchStatus
from tests import servers
from tests.batch_input import many
from tests.invariants import check
from tests.plant import Plant
from tests.scene import Scene, ping
from tests.simulated import eventually

pytest_plugins = ["tests.hints"]


@pytest.fixture
def primary():
    with servers.postgres() as server:
        yield server


@pytest.fixture
def plant_of(redis_client_url, hints, tmp_path):  # noqa: ARG001 - its wake-ups are for these workers
    with ExitStack() as cleanup:
        yield lambda store: Plant(store, redis_client_url, tmp_path, cleanup)


def tell(server, *statements):
    with psycopg.connect(servers.for_psycopg(server.url), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def demoted(server):
    """Open sessions turn read-only, too, as they do when a primary is demoted."""
    tell(server, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        tell(
            server,
            "SET default_transaction_read_only = off",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )


def write(db):
    with db.begin() as session:
        session.connection().exec_driver_sql("CREATE TABLE IF NOT EXISTS written (at timestamptz)")
        session.connection().exec_driver_sql("INSERT INTO written VALUES (now())")


def refusal(db):
    """Until the server noticed its new setting."""
    try:
        write(db)
    except OperationalError as error:
        return error
    return None


def test_a_read_only_primary_is_a_dead_connection_and_the_next_host_is_asked(primary, postgres_url):
    old, new = (make_url(url) for url in (primary.url, postgres_url))
    only = Database(primary.url)
    either = Database(f"postgresql://postgres@{old.host}:{old.port},{new.host}:{new.port}/postgres")
    for db in (only, either):
        write(db)
    assert port_of(either) == old.port

    with demoted(primary):
        error = eventually(lambda: refusal(only))
        assert error.connection_invalidated
        with pytest.raises(OperationalError, match="read-only"):
            ping(only)

        eventually(lambda: refusal(either))
        write(either)
        assert port_of(either) == new.port

    eventually(lambda: refusal(only) is None)
    for db in (only, either):
        db.close()


def port_of(db):
    with db.read() as session:
        return session.connection().exec_driver_sql("SELECT inet_server_port()").scalar()


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_batch_waits_for_the_primary_and_goes_on(primary, plant_of):
    db = Database(primary.url)
    migrations.upgrade(db.engine)
    store = Scene(db)
    plant = plant_of(store)
    witness = plant.provider(latency_ms=200.0)
    worker = plant.worker(rpm=1200)
    batch_id = plant.submit(*many(400))
    eventually(lambda: store.batch_row(batch_id).succeeded > 20, 60)

    with demoted(primary):
        eventually(lambda: refusal(db))
        eventually(lambda: "read-only" in worker.log.read_text(), 60)

    batch = plant.finished(batch_id, 120)
    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 400)
    assert worker.process.poll() is None
    check(db, [witness])
    db.close()
