import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import make_url

from tests import servers

_databases = itertools.count()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """`redis://host:port` of a Valkey that all tests share."""
    with servers.valkey() as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An SQLAlchemy URL of a PostgreSQL 18 that all tests share."""
    with servers.postgres() as server:
        yield server.url


@pytest.fixture
def redis_client_url(valkey_url: str) -> str:
    """A logical database of Valkey that is empty and, for a thousand tests, nobody else's."""
    url = f"{valkey_url}/{next(_databases) % 1024}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new, empty database: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_database_url")
    return url


@pytest.fixture
def sqlite_database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def postgresql_database_url(postgres_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    server = make_url(postgres_url)
    with psycopg.connect(servers.for_psycopg(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
