"""The real API for the tests: uvicorn on a free port, and the database behind it.

A test file gets the fixture `api` with `pytest_plugins = ["tests.api_server"]`.
"""

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from openai import OpenAI
from sqlalchemy import make_url, text
from sqlmodel import create_engine

from api.main import make_app
from headrace import dispatch, migrations
from headrace.db import Database
from headrace.settings import Settings
from headrace.store import keys
from tests.scene import Scene

DEADLINE_SECONDS = 20.0


class Api:
    """The API as one client sees it, who has a key of his own; `scene` makes rows behind its back."""

    def __init__(self, url: str, settings: Settings, db: Database) -> None:
        self.url = url
        self.settings = settings
        self.scene = Scene(db)
        self.scene.key_id, self.secret = new_key(db)
        self._session = requests.Session()

    def call(self, method: str, path: str, *, key: str | None = None, **how: Any) -> requests.Response:
        """One request, such as `call("GET", "/v1/files")`, and its answer, whatever it is."""
        headers = {"authorization": f"Bearer {key or self.secret}", **how.pop("headers", {})}
        return self._session.request(
            method, self.url + path, headers=headers, timeout=DEADLINE_SECONDS, **how
        )

    def upload(self, content: Any, name: str = "input.jsonl", **fields: Any) -> requests.Response:
        """Upload a file without the SDK; `fields` are the other parts, a purpose of `batch` unless given."""
        fields = {"purpose": "batch", **fields}
        return self.call("POST", "/v1/files", data=fields, files={"file": (name, content)})

    def sdk(self, **options: Any) -> OpenAI:
        """The unmodified SDK; unlike by default, it checks that answers are what its types say."""
        return OpenAI(
            base_url=f"{self.url}/v1", api_key=self.secret, _strict_response_validation=True, **options
        )

    def stored(self) -> set[Path]:
        """What lies in the folder of files."""
        return set(self.settings.files_dir.glob("*"))

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(
    request: pytest.FixtureRequest, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Settings, Database]]:
    """An API on each kind of database: its URL, its settings, and a second way into its database."""
    folder = tmp_path_factory.mktemp("api")
    database_url = f"sqlite:///{folder / 'test.db'}"
    if request.param == "postgresql":
        database_url = _new_database(request.getfixturevalue("postgres_url"))
    settings = Settings(database_url=database_url, redis_url=f"{valkey_url}/1023", data_dir=folder)
    with running(settings) as (url, db):
        yield url, settings, db


@pytest.fixture
def api(served: tuple[str, Settings, Database]) -> Iterator[Api]:
    """The test runs once on each kind of database, with a key that owns nothing yet."""
    client = Api(*served)
    yield client
    client.close()


@contextmanager
def running(settings: Settings) -> Iterator[tuple[str, Database]]:
    """An API with these settings: its URL, and a second way into its database."""
    db = Database(settings.database)
    try:
        migrations.upgrade(db.engine)
        with _hints_to(settings.redis_url), _serving(settings) as url:
            yield url, db
    finally:
        db.close()


def new_key(db: Database) -> tuple[str, str]:
    """Another client's key: its id and its secret."""
    with db.begin() as session:
        key, secret = keys.create(session, "a client")
    return key.id, secret


def refusal(response: requests.Response) -> dict[str, Any]:
    """The error in the envelope, which must be whole (contract 4.8)."""
    assert response.headers["x-request-id"].startswith("req_")
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    error: dict[str, Any] = body["error"]
    return error


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Returns when the condition holds; fails when it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.02)


def _new_database(postgres_url: str) -> str:
    """It goes when the server of the tests does."""
    name = f"api_{uuid.uuid4().hex}"
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server.dispose()
    return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def _hints_to(redis_url: str) -> Iterator[None]:
    """The broker's address comes from the environment, which does not name the tests' Valkey."""
    with pytest.MonkeyPatch.context() as patch:
        app = dispatch.make_app(redis_url)
        patch.setattr(dispatch, "app", app)
        try:
            yield
        finally:
            app.close()


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(settings), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), name="api")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "the API to start")
        assert server.started
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE_SECONDS)
        listener.close()
        assert not thread.is_alive()
