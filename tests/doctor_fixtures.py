"""Fixtures: the doctor in surroundings that are well.

A test file asks for them with `pytest_plugins = ["tests.databases", "tests.doctor_fixtures"]`.
"""

import json

import pytest
import redis

from headrace.broker import BEAT_KEY
from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.commands import in_process
from tests.doctoring import KEY


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(key=KEY)) as simulator:
        yield simulator


@pytest.fixture
def surroundings(store, redis_client_url, simulator, tmp_path, monkeypatch):
    """The environment of processes that are all well, in a folder without a configuration file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_DATABASE_URL", store.db.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HEADRACE_REDIS_URL", redis_client_url)
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HEADRACE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HEADRACE_PROVIDER_URL", simulator.base_url)
    monkeypatch.setenv("HEADRACE_PROVIDER_KEY", KEY)
    with redis.Redis.from_url(redis_client_url) as client:
        client.set(BEAT_KEY, "1")


@pytest.fixture
def doctor(surroundings, monkeypatch, capfd):  # noqa: ARG001
    """Runs it with these settings changed; its exit status, and all that it does not find in order."""

    def doctor(**changed):
        for name, value in changed.items():
            monkeypatch.setenv(f"HEADRACE_{name.upper()}", str(value))
        status, said, told = in_process(monkeypatch, capfd, "doctor", "--json")
        assert told == ""
        report = json.loads(said)
        assert report["ok"] is (status == 0)
        return status, [finding for finding in report["findings"] if finding["level"] != "ok"]

    return doctor
