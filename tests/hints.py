"""The fixture `hints`: wake-ups go to a Valkey of the tests', and can be read there.

A test file asks for it with `pytest_plugins = ["tests.hints"]`.
"""

import base64
import json
from collections.abc import Iterator

import pytest
import redis

from headrace import dispatch

QUEUE = "headrace:headrace"


class Hints:
    """What was sent to the workers, in a queue that nobody else reads."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def taken(self) -> list[tuple[str, str]]:
        """Task and subject of each hint since the last look, the oldest first."""
        found = []
        while isinstance(message := self._client.rpop(QUEUE), bytes):
            envelope = json.loads(message)
            arguments, _, _ = json.loads(base64.b64decode(envelope["body"]))
            found.append((envelope["headers"]["task"], *arguments))
        return found


@pytest.fixture
def hints(redis_client_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hints]:
    app = dispatch.make_app(redis_client_url)
    monkeypatch.setattr(dispatch, "app", app)
    with redis.Redis.from_url(redis_client_url) as client:
        yield Hints(client)
    app.close()
