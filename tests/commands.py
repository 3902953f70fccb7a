"""The `headrace` command as a process of its own, and the processes that it starts."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.cli.main import main
from tests.simulated import eventually

COMMAND = str(Path(sys.executable).with_name("headrace"))
DEADLINE_SECONDS = 60.0


def headrace(
    *arguments: object, cwd: Path, stdin: str = "", **settings: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; `settings` are environment variables."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**settings),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )


def in_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: object
) -> tuple[object, str, str]:
    """Run a command here, which is quicker: exit status, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["headrace", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capfd.readouterr()


class Running:
    """A command that goes on, with what it has said so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        """Its standard output and its standard error."""
        return self._log.read_text()

    def has_said(self, text: str) -> None:
        """Waits until it says so."""
        eventually(lambda: text in self.said or self.process.poll() is not None, DEADLINE_SECONDS)
        assert text in self.said, self.said

    def ends(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Its exit status, once it has one."""
        return self.process.wait(seconds)

    def family(self) -> list[int]:
        """The process ids of its children."""
        return [pid for pid, (parent, _) in processes().items() if parent == self.process.pid]


@contextmanager
def running(*arguments: object, cwd: Path, **settings: str) -> Iterator[Running]:
    """A command that is killed at the end of the block, if it still runs."""
    log = cwd / "said.log"
    # Where the tests are a background job, Ctrl-C is ignored, and a child would inherit that.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            cwd=cwd,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    signal.signal(signal.SIGINT, heard)
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)


def environment(**settings: str) -> dict[str, str]:
    """Ours without what configures headrace, but with `settings`."""
    ours = ("HEADRACE_", "OPENAI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | settings


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    return not processes().get(pid, (0, "Z"))[1].startswith("Z")


def processes() -> dict[int, tuple[int, str]]:
    """Parent and state of every process."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True, timeout=10
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return {int(pid): (int(parent), state) for pid, parent, state in rows}
