"""The stack as a whole: it comes up, heals, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from pydantic import SecretStr

from headrace.db import Database
from headrace.embedded import PartFailed, Stack
from headrace.embedded.child import Child
from headrace.embedded.environment import settled, variables
from headrace.embedded.folder import DataFolder
from headrace.embedded.leash import LOOK_SECONDS
from headrace.embedded.parts import Part
from headrace.embedded.supervisor import MAX_QUICK_DEATHS, Rank, Supervisor
from headrace.errors import ConfigurationError
from headrace.migrations import upgrade
from headrace.settings import Settings
from headrace.store import keys, workers
from tests.commands import alive
from tests.simulated import eventually

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack with its own Valkey and one worker, ready."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("stack") / "data", provider_url=NOWHERE, grace_seconds=5
    )
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


def test_its_valkey_wants_a_password(stack):
    log = (stack.folder.logs / "valkey.log").read_text()
    port = int(re.findall(r"port=(\d+)", log)[-1])

    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100).startswith(b"-NOAUTH")


def test_each_part_has_a_session_and_a_log_of_its_own(stack):
    assert set(stack.pids) == {"valkey", "api", "worker-1", "beat"}
    for name, pid in stack.pids.items():
        assert os.getsid(pid) == pid
        assert (stack.folder.logs / f"{name}.log").stat().st_size > 0


def test_a_second_stack_on_the_same_folder_is_refused(stack):
    with pytest.raises(ConfigurationError, match=rf"another headrace \(process {os.getpid()}\)"):
        Stack(stack.settings).start()


def test_parts_that_die_come_back_where_they_were_and_dead_workers_are_forgotten(stack):
    before, worker = stack.pids, worker_ids(stack)

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    eventually(lambda: stack.pids.keys() == before.keys() and not worker & worker_ids(stack), 30)
    stack.wait_ready()
    assert not set(stack.pids.values()) & set(before.values())


def test_a_configured_redis_is_used_instead_of_our_own(tmp_path, redis_client_url):
    given = Settings(data_dir=tmp_path, provider_url=NOWHERE, redis_url=redis_client_url)

    with Stack(given, workers=1) as stack:
        eventually(lambda: stack.pids)
        assert "valkey" not in stack.pids
        stack.kill()


def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = Stack(Settings(data_dir=tmp_path / "data"), port=port)

        with pytest.raises(ConfigurationError, match=f"port {port} of 127.0.0.1 cannot be used"):
            stack.start()

    assert stack.pids == {}
    folder = DataFolder(tmp_path / "data")
    folder.claim()
    folder.release()


def test_a_wrong_configuration_is_told_before_anything_starts(tmp_path):
    with pytest.raises(ConfigurationError, match="ends in /v1"):
        Stack(Settings(data_dir=tmp_path / "data", provider_url="http://127.0.0.1:9")).start()

    assert not (tmp_path / "data").exists()


def supervised(tmp_path, *code, patience_seconds=5.0):
    """A supervisor of Python programs, and their children."""
    programs = [
        Part(f"part-{place}", (sys.executable, "-c", text), os.environ) for place, text in enumerate(code)
    ]
    children = [Child(part, tmp_path, tmp_path / f"{part.name}.log") for part in programs]
    return Supervisor([Rank(children, patience_seconds)]), children


def test_a_part_that_does_not_stay_up_ends_the_others_and_is_told_with_its_last_words(tmp_path):
    supervisor, (_, other) = supervised(
        tmp_path, "raise SystemExit('out of luck')", "import time; time.sleep(60)"
    )
    supervisor.start()

    assert supervisor.ended.wait(30)

    assert isinstance(supervisor.error, PartFailed)
    assert str(supervisor.error) == f"part-0 does not stay up: see {tmp_path / 'part-0.log'}"
    assert supervisor.error.tail == ("out of luck",) * MAX_QUICK_DEATHS
    assert not other.is_running()


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('deaf', flush=True)
time.sleep(60)
"""


def test_a_part_that_ignores_the_signal_is_killed_when_patience_ends(tmp_path):
    supervisor, (child,) = supervised(tmp_path, STUBBORN, patience_seconds=0.2)
    supervisor.start()
    eventually(lambda: child.log.exists() and "deaf" in child.log.read_text())

    supervisor.stop()

    assert supervisor.pids == {}
    assert not child.is_running()


def test_a_kill_ends_the_patience(tmp_path):
    supervisor, (child,) = supervised(tmp_path, STUBBORN, patience_seconds=1000.0)
    supervisor.start()
    eventually(lambda: child.log.exists() and "deaf" in child.log.read_text())
    threading.Timer(0.3, supervisor.kill).start()

    supervisor.stop()

    assert not child.is_running()


LEASHED = """
import os, time
from headrace.embedded.leash import *
{tie}
print(os.getpid(), flush=True)
time.sleep(60)
"""
SUPERVISOR = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]], start_new_session=True)
"""


@pytest.mark.parametrize("tie", ["ask_kernel()", "watch(os.getppid())"])
def test_a_child_on_a_leash_dies_with_its_supervisor_however_that_ends(tie):
    if "kernel" in tie and sys.platform != "linux":
        pytest.skip("this is the leash of Linux")
    command = [sys.executable, "-c", SUPERVISOR, LEASHED.format(tie=tie)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        child = int(supervisor.stdout.readline())
        assert alive(child)

        supervisor.kill()

    eventually(lambda: not alive(child), LOOK_SECONDS + 5)


def test_a_new_database_learns_the_key_of_an_old_folder(tmp_path, database):
    folder = DataFolder(tmp_path / "data")
    folder.claim()
    folder.key_file.write_text("hr-from-before\n")

    for _ in range(2):
        with database.begin() as session:
            assert folder.ensure_key(session) == "hr-from-before"

    folder.release()
    with database.read() as session:
        assert [key.prefix for key in keys.list_all(session)] == ["hr-from-b"]
        assert keys.find(session, "hr-from-before")


def test_a_revoked_key_is_not_made_valid_again(tmp_path, database):
    folder = DataFolder(tmp_path / "data")
    folder.claim()
    with database.begin() as session:
        folder.ensure_key(session)
        keys.revoke(session, keys.list_all(session)[0].id)

    with pytest.raises(ConfigurationError, match="revoked"), database.begin() as session:
        folder.ensure_key(session)
    folder.release()


def test_settings_keep_their_meaning_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("headrace.toml").touch()

    made = settled(Settings(data_dir=Path("data"), database_url="sqlite:///my.db"))

    assert made.data_dir == tmp_path / "data"
    assert made.database_url == f"sqlite:///{tmp_path}/my.db"
    assert made.config == tmp_path / "headrace.toml"


def test_children_are_told_what_was_given_and_not_what_was_taken_away(monkeypatch):
    monkeypatch.setenv("HEADRACE_RPM", "5")
    monkeypatch.setenv("HEADRACE_TPM", "7")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")

    told = variables(Settings(provider_key=SecretStr("sk-given"), rpm=None))

    assert told["HEADRACE_PROVIDER_KEY"] == "sk-given"
    assert told["HEADRACE_TPM"] == "7"
    assert told["OPENAI_API_KEY"] == "sk-mine"
    assert "HEADRACE_RPM" not in told
