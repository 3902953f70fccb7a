"""Fixtures: the API, running.

A test file asks for it with `pytest_plugins = ["tests.databases", "tests.api_fixtures"]`.
"""

import shutil
from collections.abc import Iterator

import pytest
import redis

from headrace.db import Database
from tests.api_server import Api, running_api
from tests.scene import Scene


@pytest.fixture(scope="module")
def sqlite_api(
    sqlite_store: Database, api_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    with running_api(sqlite_store, api_redis_url, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="module")
def postgresql_api(
    postgresql_store: Database, api_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    with running_api(postgresql_store, api_redis_url, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="session")
def api_redis_url(valkey_url: str) -> str:
    """A logical database of Valkey for what the API sends to workers."""
    return f"{valkey_url}/1023"


@pytest.fixture
def api(request: pytest.FixtureRequest, store: Scene, api_redis_url: str) -> Iterator[Api]:
    """The test runs once on each kind of database. What `store` makes belongs to the API's client."""
    running: Api = request.getfixturevalue(f"{store.db.engine.dialect.name}_api")
    shutil.rmtree(running.settings.files_dir, ignore_errors=True)
    with redis.Redis.from_url(api_redis_url) as client:
        client.flushdb()
    running.key_id, running.secret = running.new_key()
    store.key_id = running.key_id
    yield running
    running.hang_up()
