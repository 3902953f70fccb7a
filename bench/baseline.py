"""Runs the bare loop in child processes and adds up what they say."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from bench.pace import Pace

GREEN_MODULE = ("-m", "gevent.monkey", "--module")


def bare_loop(base_url: str, source: Path, *, in_flight: int, processes: int, timeout_seconds: float) -> Pace:
    """The calls of `source`, shared by so many processes with `in_flight` calls in all."""
    command = [
        sys.executable,
        *GREEN_MODULE,
        "bench.bare",
        base_url,
        str(source),
        str(in_flight // processes),
    ]
    with _children([[*command, str(part), str(processes)] for part in range(processes)]) as children:
        deadline = time.monotonic() + timeout_seconds
        spoken = [child.communicate(timeout=deadline - time.monotonic())[0] for child in children]
        if any(child.returncode for child in children):
            raise RuntimeError("the bare loop failed")
    parts = [orjson.loads(line) for line in spoken]
    return Pace(
        calls=sum(part["calls"] for part in parts),
        seconds=max(part["ended"] for part in parts) - min(part["began"] for part in parts),
        cpu_seconds=sum(part["cpu_seconds"] for part in parts),
    )


@contextmanager
def _children(commands: Sequence[Sequence[str]]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """None of them is left running."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        children += (subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands)
        yield children
    finally:
        for child in children:
            with child:  # closes its pipe and waits for it
                child.kill()
