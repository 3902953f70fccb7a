"""The release before this one, unpacked and run beside the code of today."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from headrace.embedded.environment import variables
from headrace.settings import Settings
from tests import servers
from tests.simulated import eventually

ARCHIVES = Path(__file__).parent / "yesterday"
COMMAND = "from headrace.cli.main import main; main()"


class Yesterday:
    """Its `headrace` command and its API, with these settings; its workers are started by `tests.plant`."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        (archive,) = ARCHIVES.glob("headrace-*.tar.xz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        self.home = folder
        self._log = folder / "api.log"
        self._environment = variables(settings) | {"PYTHONPATH": str(folder)}

    def headrace(self, *arguments: str) -> str:
        """Run a command; its output."""
        ran = subprocess.run(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=self.home,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return ran.stdout

    @contextmanager
    def api(self) -> Iterator[str]:
        """Its URL, as long as the block lasts."""
        port = servers.free_port()
        command = [sys.executable, "-m", "uvicorn", "api:app", "--port", str(port), "--no-access-log"]
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.home,
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: process.poll() is not None or _answers(url), 60)
            assert process.poll() is None, self._log.read_text()
            yield url
        finally:
            process.kill()
            process.wait(10)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False
