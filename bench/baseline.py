"""Runs the loops that we are measured against, each in processes of its own, and adds up what they say."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson

from bench.pace import Pace

BARE_LOOP = (sys.executable, "-m", "gevent.monkey", "--module", "bench.bare")
SDK_LOOP = (sys.executable, "-m", "bench.sdk_loop")


def bare_loop(base_urls: Sequence[str], source: Path, *, in_flight: int, timeout_seconds: float) -> Pace:
    """The calls of `source`, with `in_flight` calls in all, shared by one process for each base URL."""
    parts = len(base_urls)
    commands = [
        [*BARE_LOOP, base_url, str(source), str(in_flight // parts), str(part), str(parts)]
        for part, base_url in enumerate(base_urls)
    ]
    return loops(commands, timeout_seconds)


def sdk_loop(base_url: str, source: Path, *, in_flight: int, timeout_seconds: float) -> Pace:
    """The calls of `source` by the official SDK, in one process."""
    return loops([[*SDK_LOOP, base_url, str(source), str(in_flight)]], timeout_seconds)


def loops(
    commands: Sequence[Sequence[str]],
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Pace:
    """Run programs side by side; the last line that each of them prints says what its calls took.

    `environment` is added to ours; in `log` is what they say on standard error.
    """
    deadline = time.monotonic() + timeout_seconds
    with _children(commands, without_proxies() | dict(environment or {}), log) as children:
        spoken = [child.communicate(timeout=deadline - time.monotonic())[0] for child in children]
        for command, child in zip(commands, children, strict=True):
            if child.returncode:
                raise RuntimeError(f"{' '.join(command)} failed")
    parts = [orjson.loads(said.splitlines()[-1]) for said in spoken]
    return Pace(
        calls=sum(part["calls"] for part in parts),
        seconds=max(part["ended"] for part in parts) - min(part["began"] for part in parts),
        cpu_seconds=sum(part["cpu_seconds"] for part in parts),
    )


def without_proxies() -> dict[str, str]:
    """Our environment, but for what would send calls on the loopback elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@contextmanager
def _children(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str], log: Path | None
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """None of them is left running."""
    children: list[subprocess.Popen[bytes]] = []
    with ExitStack() as files:
        errors = files.enter_context(log.open("wb")) if log else None
        try:
            children += (
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
                for command in commands
            )
            yield children
        finally:
            for child in children:
                with child:  # closes its pipe and waits for it
                    child.kill()
