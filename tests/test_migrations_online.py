"""On PostgreSQL the schema is changed under processes that use it, which must not come to a stop."""

import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import headrace.migrations
from headrace.db import Database
from headrace.errors import Unavailable
from headrace.migrations import is_current, online, upgrade
from tests.simulated import eventually

ANSWER_MILLISECONDS = 20_000


@pytest.fixture
def db(postgresql_database_url):
    """A database of the release before."""
    opened = Database(postgresql_database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(headrace.migrations.__file__).parent))
    with opened.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    yield opened
    opened.close()


@contextmanager
def reading(db, table):
    """A transaction that has read a table, and does not end."""
    with db.engine.connect() as connection:
        connection.execute(text(f"SELECT count(*) FROM {table}")).all()
        yield


@contextmanager
def writing(db, table):
    """A transaction that holds what an INSERT into a table does, and does not end."""
    with db.engine.connect() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        yield


@contextmanager
def upgrading(db, beside):
    """Inside, an upgrade waits for the transaction that is `beside` it; that one ends first."""
    thread = threading.Thread(target=upgrade, args=(db.engine,))
    with ExitStack() as transactions:
        transactions.enter_context(beside)
        thread.start()
        eventually(lambda: is_waiting(db), 30)
        yield
    thread.join(60)
    assert not thread.is_alive()
    assert is_current(db.engine)


def is_waiting(db):
    """Whether somebody waits for a lock."""
    with db.engine.connect() as connection:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return connection.execute(waiting).scalar_one()


def answer(db, table):
    with db.engine.connect() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = {ANSWER_MILLISECONDS}"))
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


@pytest.mark.parametrize("table", ["attempts", "batches", "workers"])
def test_a_change_that_waits_for_a_long_reader_does_not_keep_others_waiting(db, table):
    with upgrading(db, reading(db, table)):
        assert answer(db, table) == 0
        assert not is_current(db.engine)


def test_an_index_is_made_while_others_write(db):
    with upgrading(db, writing(db, "jobs")), db.engine.begin() as other:
        other.execute(text(f"SET LOCAL lock_timeout = {ANSWER_MILLISECONDS}"))
        other.execute(text("LOCK TABLE jobs IN ROW EXCLUSIVE MODE"))
        assert not is_current(db.engine)


def test_an_upgrade_that_was_interrupted_goes_on(db):
    broken = "CREATE INDEX CONCURRENTLY jobs_held ON jobs (api_key_id, batch_id) WHERE state = 'held'"
    with db.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("ALTER TABLE attempts ADD tokens_at_most INTEGER DEFAULT '0' NOT NULL"))
        connection.execute(text("SET statement_timeout = 1000"))
        with writing(db, "jobs"), pytest.raises(OperationalError):
            connection.execute(text(broken))
        connection.execute(text("RESET statement_timeout"))
    assert not is_valid(db)

    upgrade(db.engine)

    assert is_current(db.engine)
    assert is_valid(db)


def is_valid(db):
    asked = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('jobs_held')")
    with db.engine.connect() as connection:
        return connection.execute(asked).scalar_one()


def test_a_table_that_is_never_free_is_an_error_that_says_what_to_do_and_a_later_try_goes_on(db, monkeypatch):
    monkeypatch.setattr(online, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(online, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(online, "LONGEST_PAUSE_SECONDS", 0.1)

    with reading(db, "batches"), pytest.raises(Unavailable, match="run `headrace migrate` again"):
        upgrade(db.engine)
    assert not is_current(db.engine)

    upgrade(db.engine)

    assert is_current(db.engine)
