"""The stack as a whole: it comes up, heals, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
import requests
from pydantic import SecretStr

from headrace.db import Database
from headrace.embedded import PartFailed, Stack
from headrace.embedded.child import Child
from headrace.embedded.environment import settled, variables
from headrace.embedded.folder import DataFolder
from headrace.embedded.leash import LOOK_SECONDS
from headrace.embedded.parts import Part
from headrace.embedded.supervisor import Rank, Supervisor
from headrace.errors import ConfigurationError
from headrace.migrations import upgrade
from headrace.settings import Settings
from headrace.store import keys, workers
from tests.commands import alive
from tests.servers import free_port
from tests.simulated import eventually

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack with its own Valkey and one worker, ready."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("stack") / "data", provider_url=NOWHERE, grace_seconds=5)
    with Stack(settings, workers=1) as stack:
        stack.wait_ready()
        yield stack


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'headrace.db'}")
    upgrade(database.engine)
    yield database
    database.close()


def ready(stack):
    return requests.get(f"{stack.base_url}/readyz", timeout=5).ok


def worker_ids(stack):
    database = Database(stack.settings.database)
    with database.read() as session:
        found = set(workers.counters(session))
    database.close()
    return found


def test_a_ready_stack_takes_its_key_and_no_other(stack):
    def answer(key):
        headers = {"authorization": f"Bearer {key}"}
        return requests.get(f"{stack.base_url}/v1/models", headers=headers, timeout=5)

    assert ready(stack)
    assert answer(stack.api_key).status_code == 200
    assert answer("hr-other").status_code == 401


def test_only_the_owner_can_read_the_key_or_enter_the_folder(stack):
    assert stack.folder.key_file.read_text() == f"{stack.api_key}\n"
    assert stack.folder.key_file.stat().st_mode & 0o777 == 0o600
    assert stack.folder.path.stat().st_mode & 0o777 == 0o700


def test_its_valkey_takes_a_password_that_no_list_of_processes_shows(stack):
    command = ["ps", "-o", "args=", "-p", str(stack.pids["valkey"])]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    port = int(shown.rpartition(":")[2])

    assert "valkey-server" in shown or "redis-server" in shown
    with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_each_part_has_a_session_and_a_log_of_its_own(stack):
    assert set(stack.pids) == {"valkey", "api", "worker-1", "beat"}
    for name, pid in stack.pids.items():
        assert os.getsid(pid) == pid
        assert (stack.folder.logs / f"{name}.log").stat().st_size > 0


def test_a_second_stack_on_the_same_folder_is_refused(stack):
    with pytest.raises(ConfigurationError, match=rf"another headrace \(process {os.getpid()}\)"):
        Stack(stack.settings).start()


def test_a_dead_worker_is_forgotten_and_another_takes_its_place(stack):
    (before,) = worker_ids(stack)

    os.kill(stack.pids["worker-1"], signal.SIGKILL)

    (after,) = eventually(lambda: ids if (ids := worker_ids(stack)) and before not in ids else None, 30)
    assert after != before


@pytest.mark.parametrize("name", ["valkey", "api", "beat"])
def test_a_dead_part_comes_back_where_it_was(stack, name):
    before = stack.pids[name]

    os.kill(before, signal.SIGKILL)

    eventually(lambda: stack.pids.get(name, before) != before)
    stack.wait_ready()
