"""`headrace doctor` tries to write to the database: it changes nothing, and waits for nobody long."""

import time

import pytest
from sqlalchemy import make_url, text

from headrace.ids import new_id
from headrace.store import tables
from tests.doctoring import only
from tests.kinds import on_postgresql

pytest_plugins = ["tests.databases", "tests.doctor_fixtures"]

PATIENCE_SECONDS = 20.0  # what the doctor has with a part before it gives it up


@pytest.fixture
def limited(postgresql):
    """The URL of a user with these rights on all tables, and on the sequences or not."""
    name = new_id("limited_").lower()
    engine = postgresql.db.engine

    def limited(rights, sequences="USAGE"):
        with engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'word'"))
            connection.execute(text(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {name}"))
            connection.execute(text(f"GRANT {sequences} ON ALL SEQUENCES IN SCHEMA public TO {name}"))
        url = make_url(engine.url.render_as_string(hide_password=False))
        return url.set(username=name, password="word").render_as_string(hide_password=False)

    yield limited
    with engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))


def rows(store):
    """How many rows there are, by table."""
    with store.db.read() as session:
        return {
            table.name: len(session.execute(table.select()).all())
            for table in tables.jobs.metadata.sorted_tables
        }


def test_the_row_that_is_tried_does_not_stay(doctor, store):
    before = rows(store)

    assert doctor() == (0, [])

    assert rows(store) == before


@pytest.mark.parametrize(
    ("store", "locking", "said"),
    [
        (
            "sqlite",
            "SELECT 1",
            "cannot be written: database is locked",
        ),  # every writer's transaction locks it
        ("postgresql", "LOCK TABLE lanes IN SHARE MODE", "lock timeout"),
    ],
    indirect=["store"],
)
def test_a_lock_that_is_not_given_back(doctor, store, locking, said):
    with store.db.begin() as session:
        session.execute(text(locking))
        began = time.monotonic()
        status, findings = doctor()
        took = time.monotonic() - began

    assert status == 1
    subject, level, what, advice = only(findings)
    assert (subject, level) == ("database", "wrong")
    assert said in what
    assert "who holds its lock" in advice
    assert took < PATIENCE_SECONDS


@on_postgresql
@pytest.mark.parametrize(
    ("rights", "sequences", "lacking"),
    [
        ("SELECT", "USAGE", "INSERT on jobs"),
        ("SELECT, INSERT", "USAGE", "UPDATE on batches"),
        ("SELECT, INSERT, UPDATE, DELETE", "SELECT", "USAGE on the sequence of jobs"),
    ],
)
def test_a_user_who_may_not_write(doctor, limited, rights, sequences, lacking):
    status, findings = doctor(database_url=limited(rights, sequences))

    assert status == 1
    subject, level, what, advice = only(findings)
    assert (subject, level) == ("database", "wrong")
    assert lacking in what
    assert "SELECT on" not in what
    assert "grant" in advice
