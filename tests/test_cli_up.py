"""`headrace up`: ready, alone on its folder, and gone without a trace."""

import json
import signal
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import requests

from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.commands import alive, headrace, in_process, running
from tests.simulated import eventually

QUESTION = {"messages": [{"role": "user", "content": "Hi"}], "model": "m"}
HANGING = {"messages": [{"role": "user", "content": "[[sim:hang]]"}], "model": "m"}


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(latency_ms=0, hang_seconds=100)) as simulator:
        yield simulator


@pytest.fixture
def up(tmp_path, simulator):
    """`headrace up` with one worker, ready."""
    arguments = ("up", "--port", 0, "--workers", 1, "--data-dir", "data")
    with running(*arguments, cwd=tmp_path, HEADRACE_PROVIDER_URL=simulator.base_url) as command:
        command.has_said("Ctrl-C stops it")
        yield command


def url_of(up):
    """What it says where it is."""
    return up.said.partition("headrace is ready at ")[2].split()[0]


def test_once_ready_it_can_be_used_as_it_says_and_a_signal_ends_it_without_a_trace(up, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": QUESTION}
    Path("requests.jsonl").write_text(json.dumps(request))
    assert requests.get(f"{url_of(up)}/readyz", timeout=5).ok
    assert Path("data/api-key").stat().st_mode & 0o777 == 0o600

    assert_the_snippet_works(up.said)
    assert_a_second_one_is_refused(tmp_path, up.process.pid)
    family = up.family()
    up.process.send_signal(signal.SIGTERM)

    assert up.ends() == 0
    assert len(family) == 4
    assert not any(map(alive, family))
    assert not Path("data/redis-url").exists()


def assert_the_snippet_works(said):
    lines = said.splitlines()
    snippet = dedent("\n".join(line for line in lines if not line or line.startswith("    ")))
    names: dict[str, Any] = {}
    exec(snippet, names)
    client, batch = names["client"], names["batch"]
    with client:
        eventually(lambda: client.batches.retrieve(batch.id).status == "completed", 30)


def assert_a_second_one_is_refused(tmp_path, owner):
    second = headrace("up", "--data-dir", tmp_path / "data", "--port", 0, cwd=tmp_path)

    assert second.returncode == 2
    told = (
        f"error: another headrace (process {owner}) already uses {tmp_path}/data: stop it, or give --data-dir"
    )
    assert second.stderr.splitlines()[-1] == told


def test_a_second_signal_does_not_wait_for_calls(up, tmp_path, simulator):
    before = simulator.stats()["received"]
    headers = {"authorization": f"Bearer {(tmp_path / 'data/api-key').read_text().strip()}"}
    sent = requests.post(f"{url_of(up)}/v1/jobs", data=json.dumps(HANGING), headers=headers, timeout=5)
    assert sent.ok
    eventually(lambda: simulator.stats()["received"] > before)
    family = up.family()

    up.process.send_signal(signal.SIGINT)
    up.has_said("interrupt again")
    eventually(lambda: len(up.family()) < 4)  # the API went first
    time.sleep(0.5)
    assert up.process.poll() is None
    up.process.send_signal(signal.SIGINT)

    assert up.ends(10) == 0
    assert not any(map(alive, family))


def test_a_missing_key_is_told_at_once(tmp_path):
    with running("up", "--port", 0, "--workers", 1, "--data-dir", "data", cwd=tmp_path) as command:
        command.has_said("there is no key for https://api.openai.com/v1: set HEADRACE_PROVIDER_KEY or OPENAI")
        command.has_said("starting")
        family = command.family()
        command.process.kill()
        eventually(lambda: not any(map(alive, family)))


def test_a_wrong_setting_is_one_line(monkeypatch, capfd):
    monkeypatch.setenv("HEADRACE_RPM", "many")

    status, _, told = in_process(monkeypatch, capfd, "up")

    assert status == 2
    assert told.startswith("error: HEADRACE_RPM: ")
    assert len(told.splitlines()) == 1
