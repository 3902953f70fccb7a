"""Fixture: workers on a migrated database and a Valkey of their own.

A test file asks for it with `pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.plant import Plant
from tests.scene import Scene


@pytest.fixture
def plant(
    store: Scene,
    redis_client_url: str,
    hints: object,  # noqa: ARG001 - its wake-ups are for these workers
    tmp_path: Path,
) -> Iterator[Plant]:
    """No worker runs yet; what the test starts is ended after it."""
    with ExitStack() as cleanup:
        yield Plant(store, redis_client_url, tmp_path, cleanup)
