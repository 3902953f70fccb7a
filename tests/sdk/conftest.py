"""What these tests begin with. `tests/test_sdk.py` runs them, once for each version of the SDK."""

import os
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.sdk.driving import Async, Sync
from tests.sdk.relay import Relay

# Where the headrace is; a key with nothing behind it; that of the shelf of `tests/sdk_rig.py`; an admin key.
URL, KEY, SHELF_KEY, ADMIN_KEY = (
    os.environ.get(f"SDK_TEST_{name}", "") for name in ("URL", "KEY", "SHELF_KEY", "ADMIN_KEY")
)

collect_ignore_glob = [] if URL else ["test_*.py"]
collect_ignore = [] if hasattr(openai.OpenAI, "admin") else ["test_organization.py"]  # since 2.34.0


@pytest.fixture(scope="session", autouse=True)
def version(record_testsuite_property: Any) -> str:
    """The SDK that runs, for the report to `tests/test_sdk.py`."""
    record_testsuite_property("openai", openai.__version__)
    return openai.__version__


@pytest.fixture(scope="session", params=[Sync, Async], ids=["sync", "async"])
def sdk(request: pytest.FixtureRequest) -> Iterator[Sync]:
    assert URL, "`pytest tests/test_sdk.py` starts what these tests need"
    driver: Sync = request.param(URL, KEY)
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def client(sdk: Sync) -> Any:
    return sdk.client()


@pytest.fixture(scope="session")
def shelf(sdk: Sync) -> Any:
    """A client whose key owns 1,000 files and 200 batches, and that only looks at them."""
    return sdk.client(api_key=SHELF_KEY)


@pytest.fixture(scope="session")
def admin() -> str:
    """The secret of an admin key."""
    return ADMIN_KEY


@pytest.fixture(scope="session")
def running_relay() -> Iterator[Relay]:
    with Relay(URL) as relay:
        yield relay


@pytest.fixture
def relay(running_relay: Relay) -> Iterator[Relay]:
    """It has seen nothing yet, and spoils nothing."""
    running_relay.seen.clear()
    yield running_relay
    assert running_relay.faults == []


@pytest.fixture(scope="session")
def relayed(sdk: Sync, running_relay: Relay) -> Any:
    """A client whose requests go through the relay."""
    return sdk.client(base_url=f"{running_relay.url}/v1")
