"""Fixtures: migrated databases for tests of the store, made once and emptied for each test.

A test file asks for them with `pytest_plugins = ["tests.databases"]`.
"""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url, text
from sqlmodel import SQLModel, create_engine

from headrace import migrations
from headrace.db import Database
from tests.scene import Scene


@pytest.fixture(scope="session")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A migrated SQLite database; whatever is in it is another test's."""
    yield from _migrated(f"sqlite:///{tmp_path_factory.mktemp('store') / 'test.db'}")


@pytest.fixture(scope="session")
def postgresql_store(postgres_url: str) -> Iterator[Database]:
    """A migrated PostgreSQL database; whatever is in it is another test's."""
    name = f"store_{uuid.uuid4().hex}"
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server.dispose()
    yield from _migrated(make_url(postgres_url).set(database=name).render_as_string(hide_password=False))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Scene:
    """The test runs once on each kind of database, and finds no rows but a key and a worker."""
    return _scene(request.getfixturevalue(f"{request.param}_store"))


@pytest.fixture
def postgresql(postgresql_store: Database) -> Scene:
    """For what only several writers at once can show."""
    return _scene(postgresql_store)


def _migrated(url: str) -> Iterator[Database]:
    db = Database(url, pool_size=20)
    migrations.upgrade(db.engine)
    yield db
    db.close()


def _scene(db: Database) -> Scene:
    with db.begin() as session:
        for table in reversed(SQLModel.metadata.sorted_tables):
            session.execute(table.delete())
    return Scene(db)
