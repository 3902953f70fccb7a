"""The API as a process of its own, which may be killed, with workers beside it.

A test file asks for the fixture `serve` with `pytest_plugins = [..., "tests.planted", "tests.api_process"]`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from headrace.embedded import leash
from headrace.embedded.environment import variables
from headrace.settings import Settings
from headrace.store import keys
from tests.api_server import serving
from tests.plant import Plant
from tests.servers import free_port
from tests.simulated import eventually

ROOT = Path(__file__).parent.parent
DEADLINE_SECONDS = 30.0


class Served:
    """An API that runs somewhere, as a client with a key sees it."""

    def __init__(self, url: str, settings: Settings, secret: str) -> None:
        self.url, self.settings, self.secret = url, settings, secret

    def call(self, method: str, path: str, **how: Any) -> requests.Response:
        """One request and its answer. Raises requests.ConnectionError when the process dies of it."""
        headers = {"authorization": f"Bearer {self.secret}", **how.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=DEADLINE_SECONDS, **how)

    def upload(self, content: Any, name: str = "input.jsonl") -> requests.Response:
        """Upload a batch's input."""
        form = {"data": {"purpose": "batch"}, "files": {"file": (name, content)}}
        return self.call("POST", "/v1/files", **form)

    def stored(self) -> list[Path]:
        """What lies in the folder of files."""
        return sorted(self.settings.files_dir.glob("*"))


class ApiProcess(Served):
    """`uvicorn api:app` on a free port. It does not outlive the tests."""

    def __init__(self, settings: Settings, secret: str, failpoints: str, port: int | None) -> None:
        """`failpoints` as in HEADRACE_FAILPOINTS; the port is a free one unless given."""
        self.port = port or free_port()
        super().__init__(f"http://127.0.0.1:{self.port}", settings, secret)
        command = [sys.executable, "-m", "uvicorn", "api:app", "--http", "api.protocol:Protocol"]
        options = ["--port", str(self.port), "--log-level", "warning"]
        self.process = subprocess.Popen(
            [sys.executable, leash.__file__, str(os.getpid()), *command, *options],
            cwd=ROOT,
            env=variables(settings) | {"HEADRACE_FAILPOINTS": failpoints},
            start_new_session=True,
        )
        eventually(lambda: self._answers() or self.process.poll() is not None, DEADLINE_SECONDS)
        assert self.process.poll() is None

    def dies_of(self, request: Callable[[], object]) -> None:
        """The request is never answered, and the process was killed."""
        with pytest.raises(requests.ConnectionError):
            request()
        assert self.process.wait(DEADLINE_SECONDS) == -signal.SIGKILL

    def kill(self) -> None:
        """SIGKILL. Harmless when it has ended."""
        self.process.kill()
        self.process.wait(10)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False


@pytest.fixture
def serve(plant: Plant) -> Iterator[Callable[..., Served]]:
    """Starts an API over the plant's database; its key is the one of the plant's scene from now on.

    One with failpoints, or on a port that is given, is a process of its own; another is a thread of this
    one, which is quicker.
    """
    with plant.store.db.begin() as session:
        key, secret = keys.create(session, "a client")
    plant.store.key_id = key.id
    with ExitStack() as cleanup:

        def start(failpoints: str = "", *, port: int | None = None) -> Served:
            if failpoints or port:
                api = ApiProcess(plant.settings, secret, failpoints, port)
                cleanup.callback(api.kill)
                return api
            return Served(cleanup.enter_context(serving(plant.settings)), plant.settings, secret)

        yield start
