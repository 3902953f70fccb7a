"""Fixtures: sweepers of several processes, and the monotonic clock that they watch the workers by.

A test file asks for them with `pytest_plugins = ["tests.databases", "tests.hints", "tests.sweeper_fixtures"]`
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.limits import connect
from headrace.store import workers
from tests.scene import Scene
from tests.sweepers import SWEEPING, Clock, sweeper_of
from worker.sweep import Sweeper


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("worker.watching.time", clock)
    return clock


@pytest.fixture
def sweepers(
    store: Scene,
    redis_client_url: str,
    hints: object,  # noqa: ARG001 - they must not go elsewhere
    tmp_path: Path,
) -> Iterator[list[Sweeper]]:
    """Sweepers of several processes, which beat on demand."""
    with store.db.begin() as session:
        for worker in SWEEPING:
            workers.register(session, worker, host="here", pid=2)
    with connect(redis_client_url) as client:
        yield [sweeper_of(store, worker, client, tmp_path) for worker in SWEEPING]


@pytest.fixture
def sweeper(sweepers: list[Sweeper]) -> Sweeper:
    return sweepers[0]
