"""Connections to PostgreSQL in their pool: asked whether they live after a rest, and not before each use."""

import pytest
from sqlalchemy import text

from headrace import postgres
from headrace.db import Database


@pytest.fixture
def db(postgres_url):
    database = Database(postgres_url, pool_size=1)
    yield database
    database.close()


@pytest.fixture
def asked(db, monkeypatch):
    """The connections that were asked, one entry each time."""
    asked, do_ping = [], db.engine.dialect.do_ping

    def ask(connection):
        asked.append(connection)
        return do_ping(connection)

    monkeypatch.setattr(db.engine.dialect, "do_ping", ask)
    return asked


def backend(db):
    with db.read() as session:
        return session.execute(text("SELECT pg_backend_pid()")).scalar_one()


def test_a_connection_that_was_used_a_moment_ago_is_not_asked(db, asked, monkeypatch):
    monkeypatch.setattr(postgres, "FRESH_SECONDS", 60.0)

    assert backend(db) == backend(db)
    assert asked == []


def test_one_that_rested_is_asked(db, asked, monkeypatch):
    monkeypatch.setattr(postgres, "FRESH_SECONDS", 0.0)

    assert backend(db) == backend(db)
    assert len(asked) == 1


def test_one_that_died_at_rest_is_replaced_and_nobody_hears_of_it(db, postgres_url, monkeypatch):
    monkeypatch.setattr(postgres, "FRESH_SECONDS", 0.0)
    dead = backend(db)
    other = Database(postgres_url)
    with other.read() as session:
        session.execute(text("SELECT pg_terminate_backend(:dead, 5000)"), {"dead": dead})
    other.close()

    assert backend(db) != dead
