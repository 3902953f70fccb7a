"""How a worker waits for hints: in short turns, and beside any number of open connections."""

import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace import dispatch

pytest_plugins = ["tests.hints"]

ROOT = Path(__file__).parent.parent
MANY_FILES = 1_200
LISTEN_SECONDS = 20
# Waits for one hint, long, with that many file descriptors taken. SIGTERM ends the wait.
LISTEN = """
import os, resource, signal, sys
from celery import maybe_patch_concurrency
maybe_patch_concurrency(["worker", "-P", "gevent"])
from headrace.dispatch import make_app
from headrace.listening import stop_listening

url, files, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, files + 200), most))
while os.dup(0) < files:
    pass
signal.signal(signal.SIGTERM, lambda *_: stop_listening())
app, told = make_app(url), []
connection = app.connection_for_read()
connection.transport.brpop_timeout = seconds
hear = lambda message: told.extend(["heard", message.headers["task"]])
with app.amqp.TaskConsumer(connection, on_message=hear):
    print("listening", flush=True)
    try:
        connection.drain_events(timeout=seconds)
    except TimeoutError:
        told.append("stopped")
connection.close()
print(*told, flush=True)
os._exit(0)
"""


@pytest.mark.usefixtures("hints")
def test_whoever_listens_is_told_at_once_to_stop(redis_client_url):
    with listening(redis_client_url, files=0) as listener:
        began = time.monotonic()
        listener.terminate()
        told = listener.communicate(timeout=30)

    assert told[0].split() == [b"stopped"], told[1].decode()
    assert time.monotonic() - began < dispatch.SOCKET_TIMEOUT_SECONDS


@pytest.mark.usefixtures("hints")
def test_a_hint_is_heard_beside_more_than_a_thousand_open_files(redis_client_url):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < MANY_FILES + 100:
        pytest.skip("this account may not open so many files")
    with listening(redis_client_url, files=MANY_FILES) as listener:
        dispatch.wake("a-lane")
        told = listener.communicate(timeout=30)

    assert told[0].split() == [b"heard", dispatch.DRAIN.encode()], told[1].decode()


@contextmanager
def listening(redis_url, files):
    """A process that waits for a hint as a worker does."""
    command = [sys.executable, "-c", LISTEN, redis_url, str(files), str(LISTEN_SECONDS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listener:
        assert listener.stdout
        try:
            assert listener.stdout.readline() == b"listening\n", listener.communicate(timeout=10)
            yield listener
        finally:
            listener.kill()
