"""Strikes at processes count only when they happened, and tell which workers they met."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulated import eventually
from tests.soak.processes import Processes


@pytest.fixture
def parts():
    """Two processes that wait: a worker and another part."""
    wait = [sys.executable, "-c", "import signal; signal.pause()"]
    worker = subprocess.Popen(wait, env=os.environ | {"HEADRACE_WORKER_ID": "worker_7"})
    other = subprocess.Popen(wait)
    yield {"worker-1": worker, "api": other}
    for each in (worker, other):
        each.kill()
        each.wait(10)


@pytest.fixture
def processes(parts):
    asked = Processes(
        lambda: {name: part.pid for name, part in parts.items() if part.poll() is None},
        {"worker_7": 4}.__getitem__,
    )
    yield asked
    asked.calm()


def state(part):
    return Path(f"/proc/{part.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_kill_tells_the_worker_and_its_open_calls(parts, processes):
    assert processes.kill("worker-1")

    assert parts["worker-1"].wait(10) == -signal.SIGKILL
    (struck,) = processes.struck
    assert (struck.worker_id, struck.open_calls, struck.was_killed) == ("worker_7", 4, True)


def test_a_kill_of_another_part_strikes_no_worker(parts, processes):
    assert processes.kill("api")

    assert parts["api"].wait(10) == -signal.SIGKILL
    assert processes.struck == []


def test_what_is_not_there_or_stopped_already_is_not_struck(processes):
    assert not processes.kill("worker-9")
    assert not processes.stop("worker-9", 1)
    assert processes.stop("worker-1", 60)
    assert not processes.stop("worker-1", 60)
    assert len(processes.struck) == 1


def test_a_stopped_worker_goes_on_by_itself(parts, processes):
    assert processes.stop("worker-1", 0.5)
    eventually(lambda: state(parts["worker-1"]) == "T" or processes.struck[0].until)

    eventually(lambda: processes.struck[0].until)

    eventually(lambda: state(parts["worker-1"]) == "S")
    assert processes.struck[0].seconds >= 0.5
    assert not processes.struck[0].was_killed


def test_a_stopped_worker_that_is_killed_was_killed_with_what_it_had(parts, processes):
    assert processes.stop("worker-1", 60)
    assert processes.kill("worker-1")

    assert parts["worker-1"].wait(10) == -signal.SIGKILL
    (struck,) = processes.struck
    assert (struck.was_killed, struck.open_calls) == (True, 4)
