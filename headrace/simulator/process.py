"""A simulator as a child process: for tests, benches and demos."""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from headrace.simulator.config import SimulatorConfig

START_SECONDS = 20.0
STOP_SECONDS = 5.0
STATS_SECONDS = 10.0
ANNOUNCEMENT = "listening on "

_IMPORT_ROOT = Path(__file__).parents[2]


class SimulatorProcess:
    """`with SimulatorProcess(SimulatorConfig(rpm=60)) as simulator: call(simulator.base_url)`.

    The child also ends when this process dies. `base_url` ends in /v1.
    """

    def __init__(
        self, config: SimulatorConfig | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        options = [f"--host={host}", f"--port={port}", "--exit-with-parent"]
        self._command = [sys.executable, "-m", "headrace.simulator", *options]
        self._command += arguments(config or SimulatorConfig())
        self._process: subprocess.Popen[bytes] | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The child's process id, while it was started and not stopped."""
        return self._running().pid

    def start(self) -> None:
        """Start the child and wait until it listens. Raises RuntimeError if it does not."""
        path = os.pathsep.join(filter(None, (str(_IMPORT_ROOT), os.environ.get("PYTHONPATH"))))
        # A session of its own: Ctrl-C is for whoever runs us, who then stops the child in good order.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
        try:
            self.base_url = self._read_announcement()
        except BaseException:
            self.stop()
            raise

    def stats(self) -> dict[str, Any]:
        """What `GET /v1/simulator/stats` tells."""
        with urlopen(f"{self.base_url}/simulator/stats", timeout=STATS_SECONDS) as answer:
            stats: dict[str, Any] = json.load(answer)
        return stats

    def bill(self) -> str:
        """What `GET /v1/simulator/bill` tells: CSV."""
        with urlopen(f"{self.base_url}/simulator/bill", timeout=STATS_SECONDS) as answer:
            text: bytes = answer.read()
        return text.decode()

    def wait(self, timeout_seconds: float) -> int:
        """The exit status of a child that ends by itself. Raises TimeoutExpired."""
        return self._running().wait(timeout_seconds)

    def stop(self) -> None:
        """End the child: politely, and after some seconds by force. Harmless if it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the simulator is not running")
        return self._process

    def _read_announcement(self) -> str:
        stdout = self._running().stdout
        assert stdout is not None
        line, deadline = b"", time.monotonic() + START_SECONDS
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(stdout.fileno(), 1024) if ready else b""
            if not piece:
                raise RuntimeError(f"the simulator did not start; it said {line.decode()!r}")
            line += piece
        return line.decode().strip().removeprefix(ANNOUNCEMENT)


def arguments(config: SimulatorConfig) -> list[str]:
    """The command line that makes this configuration."""
    options = []
    for option in fields(config):
        value = getattr(config, option.name)
        name = "--" + option.name.replace("_", "-")
        if option.name == "faults":
            options += [f"--fault={kind}={share}" for kind, share in value]
        elif option.name == "prices":
            options += [f"--price={model}={price}" for model, price in value]
        elif option.name == "models":
            options += [f"--model={model}" for model in value]
        elif value is True:
            options.append(name)
        elif value != option.default:
            options.append(f"{name}={value}")
    return options
