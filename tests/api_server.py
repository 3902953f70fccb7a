"""The real API for the tests: uvicorn on a free port, and the database behind it."""

import json
import socket
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
import uvicorn
from openai import OpenAI

from api.main import make_app
from api.protocol import Protocol
from headrace import dispatch
from headrace.db import Database
from headrace.settings import Settings
from headrace.store import keys

DEADLINE_SECONDS = 60.0
QUEUE = "headrace:headrace"
MEBIBYTE = 1024 * 1024


@contextmanager
def running_api(db: Database, redis_url: str, folder: Path, **options: Any) -> Iterator["Api"]:
    """The API over a migrated database; `options` are more settings."""
    database_url = db.engine.url.render_as_string(hide_password=False)
    settings = Settings(database_url=database_url, redis_url=redis_url, data_dir=folder, **options)
    with _hints_to(redis_url), serving(settings) as url, requests.Session() as session:
        running = Api(url, settings, db, session)
        yield running
        running.hang_up()


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The API with these settings, on a free port: its URL."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # unnamed, asyncio would leave Nagle's algorithm on
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(settings), log_config=None, access_log=False, http=Protocol)
    server = uvicorn.Server(config)
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


class Api:
    """The API as a client with a key sees it."""

    secret: str

    def __init__(self, url: str, settings: Settings, db: Database, session: requests.Session) -> None:
        self.url = url
        self.settings = settings
        self._db = db
        self._session = session
        self._clients = ExitStack()
        self.key_id, self.secret = self.new_key()

    def call(self, method: str, path: str, *, key: str | None = None, **how: Any) -> requests.Response:
        """One request, such as `call("GET", "/v1/files")`, and its answer, whatever it is."""
        how["headers"] = {"authorization": f"Bearer {key or self.secret}", **how.get("headers", {})}
        return self._session.request(method, self.url + path, timeout=DEADLINE_SECONDS, **how)

    def upload(self, content: Any, name: str = "input.jsonl", **fields: Any) -> requests.Response:
        """Upload a file without the SDK; `fields` are the other parts, a purpose of `batch` unless given."""
        fields = {"purpose": "batch", **fields}
        return self.call("POST", "/v1/files", data=fields, files={"file": (name, content)})

    def sdk(self, **options: Any) -> OpenAI:
        """The unmodified SDK; unlike by default, it checks that answers are what its types say."""
        key = options.pop("api_key", self.secret)
        options = {"base_url": f"{self.url}/v1", "api_key": key, **options}
        return self._clients.enter_context(OpenAI(_strict_response_validation=True, **options))

    def new_key(self, *, is_admin: bool = False) -> tuple[str, str]:
        """The id and the secret of one more key."""
        with self._db.begin() as session:
            key, secret = keys.create(session, "a client", is_admin=is_admin)
        return key.id, secret

    def stored(self) -> list[Path]:
        """What lies in the folder of files."""
        return sorted(self.settings.files_dir.glob("*"))

    def hang_up(self) -> None:
        """Close the connections of the SDKs."""
        self._clients.close()


def hints(api: Api) -> list[tuple[str, str]]:
    """What the workers were told and have not heard yet, oldest first: the task, and its subject."""
    with redis.Redis.from_url(api.settings.redis_url) as client:
        messages = [json.loads(message) for message in client.lrange(QUEUE, 0, -1)[::-1]]
    return [
        (message["headers"]["task"], json.loads(b64decode(message["body"]))[0][0]) for message in messages
    ]


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
