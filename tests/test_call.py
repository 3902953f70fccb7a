"""One HTTP call, against the real simulator and sockets that misbehave in ways it does not."""

import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from urllib3.exceptions import NewConnectionError

from headrace.simulator.config import SimulatorConfig
from headrace.simulator.process import SimulatorProcess
from tests import servers
from tests.listener import listening, read_request
from worker.connections import Adapter

ROOT = Path(__file__).parent.parent
KEY = "sk-a-secret"
DEADLINE_SECONDS = 1.5
MIB = 1024 * 1024


class Caller:
    """`worker.call.Caller` in a process of its own, among proxies and a `.netrc` that it must not heed."""

    def __init__(self, home: Path) -> None:
        (home / ".netrc").write_text("default login somebody password else\n")
        nowhere = f"http://127.0.0.1:{servers.free_port()}"
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), nowhere)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gevent.monkey", "--module", "tests.calling"],
            cwd=ROOT,
            env=os.environ | proxies | {"HOME": str(home), "NO_PROXY": "", "no_proxy": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, base_url: str, text: str = "Hello", *, model: str = "m", **how):
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        wanted = {"base_url": base_url, "key": KEY, "model": model, "body": json.dumps(body)}
        how = {"timeout_seconds": DEADLINE_SECONDS, "max_answer_bytes": MIB, **how}
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(wanted | how), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=10)
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    caller = Caller(tmp_path_factory.mktemp("home"))
    yield caller
    caller.close()


@pytest.fixture(scope="module")
def simulator():
    config = SimulatorConfig(key=KEY, latency_ms=5, drip_seconds=0.05, huge_bytes=0)
    with SimulatorProcess(config) as running:
        yield running


def test_an_answer_comes_whole_with_its_headers(call, simulator):
    got = call(simulator.base_url)

    assert (got["kind"], got["status"]) == ("answer", 200)
    assert json.loads(got["body"])["choices"][0]["message"]["content"]
    assert got["headers"]["x-request-id"].startswith("req_")


def test_an_error_is_an_answer_too(call, simulator):
    got = call(simulator.base_url, "[[sim:422]]")

    assert (got["kind"], got["status"]) == ("answer", 422)
    assert json.loads(got["body"])["error"]["message"] == "Unprocessable request."


def test_the_model_has_the_providers_name(call, simulator):
    got = call(simulator.base_url, model="their-name-for-it")

    assert json.loads(got["body"])["model"] == "their-name-for-it"


def test_the_key_is_in_the_authorization_header_and_nowhere_else(call):
    seen = []

    def answer(connection):
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with listening(answer) as address:
        assert call(f"http://{address}/v1")["body"] == "{}"

    (request,) = seen
    assert request.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert request.count(KEY.encode()) == 1
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in request
    assert b"\r\nX-Client-Request-Id: att_1\r\n" in request


def test_without_a_key_there_is_no_authorization_not_even_from_netrc(call):
    seen = []

    def answer(connection):
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with listening(answer) as address:
        call(f"http://{address}/v1", key=None)

    assert b"authorization" not in seen[0].lower()


def test_a_redirect_is_not_followed(call, simulator):
    before = simulator.stats()["received"]

    got = call(simulator.base_url, "[[sim:redirect]]")

    assert (got["kind"], got["status"]) == ("answer", 302)
    assert simulator.stats()["received"] == before + 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/v1", "http://no-such-host.invalid/v1"])
def test_what_cannot_connect_was_not_sent(call, address):
    got = call(address.format(port=servers.free_port()), timeout_seconds=30)

    assert got["kind"] == "notsent"
    assert got["reason"]
    assert got["seconds"] < 15


@pytest.mark.parametrize("key", ["sk-secret\r\nHost: elsewhere", "sk-secret…"])
def test_a_key_that_cannot_go_into_a_header_is_not_sent_and_not_shown(call, simulator, key):
    before = simulator.stats()["received"]

    got = call(simulator.base_url, key=key)

    assert (got["kind"], simulator.stats()["received"]) == ("notsent", before)
    assert "sk-" not in got["reason"]


@pytest.mark.parametrize(
    "url", ["http:///v1", "http://127.0.0.1:99999/v1", "http://[::1/v1", "http://" + "a" * 64 + ".example/v1"]
)
def test_what_is_no_address_was_not_sent(call, url):
    assert call(url, timeout_seconds=30)["kind"] == "notsent"


@pytest.mark.parametrize("target", [b"http://[::1/v1", b"/caf\xe9", b"\xff\xfe", b"http://h:99999/"])
def test_a_redirect_to_nowhere_is_an_answer(call, target):
    def answer(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 302 Found\r\nlocation: %b\r\ncontent-length: 5\r\n\r\nthere" % target)

    with listening(answer) as address:
        got = call(f"http://{address}/v1")

    assert (got["kind"], got["status"], got["body"]) == ("answer", 302, "there")


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_tls_handshake_that_fails_was_not_sent(call, reply):
    hellos = []

    def answer(connection):
        hellos.append(connection.recv(65536))
        connection.sendall(reply)

    with listening(answer) as address:
        got = call(f"https://{address}/v1", timeout_seconds=30)

    assert got["kind"] == "notsent"
    assert "SSL" in got["reason"]
    assert KEY.encode() not in b"".join(hellos)
    assert len(hellos) > 1  # it was tried again at once, for it cost nothing


@pytest.mark.parametrize("fault", ["hang", "drip-headers", "drip"])
def test_the_deadline_is_for_the_whole_answer(call, simulator, fault):
    got = call(simulator.base_url, f"[[sim:{fault}]]")

    assert (got["kind"], got["code"]) == ("lost", "timeout")
    assert DEADLINE_SECONDS - 0.1 < got["seconds"] < DEADLINE_SECONDS + 1


@pytest.mark.parametrize("fault", ["cut", "reset"])
def test_an_answer_that_breaks_off_is_lost(call, simulator, fault):
    before = simulator.stats()["received"]

    got = call(simulator.base_url, f"[[sim:{fault}]]", timeout_seconds=30)

    assert (got["kind"], got["code"]) == ("lost", "connection_lost")
    assert got["seconds"] < 5
    assert simulator.stats()["received"] == before + 1


def test_a_server_that_hangs_up_on_the_request_has_perhaps_heard_it(call):
    with listening(lambda _: None) as address:
        got = call(f"http://{address}/v1", timeout_seconds=30)

    assert (got["kind"], got["code"]) == ("lost", "connection_lost")


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"])
def test_what_is_reset_before_a_byte_left_was_not_sent(greeting):
    """On a connection as the callers have them: whether a byte left before a reset, chance decides else."""

    def reset(accepted):
        if greeting:
            read_request(accepted)
            accepted.sendall(greeting)
            answered.wait(10)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    answered = threading.Event()
    with listening(reset) as address, closing(connection_to(address)) as connection:
        if greeting:
            connection.request("POST", "/", body=b'{"messages":[{}]}')
            assert connection.getresponse().data == b"{}"
        answered.set()
        ended, _, _ = select.select([connection.sock], [], [], 10)
        assert ended

        with pytest.raises(NewConnectionError):
            connection.request("POST", "/", body=b'{"messages":[{}]}')


def connection_to(address):
    host, _, port = address.partition(":")
    adapter = Adapter()
    connection = adapter.poolmanager.connection_from_host(host, int(port), scheme="http")._new_conn()
    adapter.close()
    connection.connect()
    return connection


def test_what_is_not_http_is_lost(call):
    def answer(connection):
        read_request(connection)
        connection.sendall(b"220 mail.example.com ESMTP\r\n")

    with listening(answer) as address:
        got = call(f"http://{address}/v1", timeout_seconds=30)

    assert (got["kind"], got["code"]) == ("lost", "connection_lost")


@pytest.mark.parametrize("fault", ["huge", "gzip-bomb"])
def test_an_endless_answer_is_given_up_in_bounded_memory(call, simulator, fault):
    got = call(simulator.base_url, f"[[sim:{fault}]]", timeout_seconds=30, max_answer_bytes=4 * MIB)

    assert (got["kind"], got["code"]) == ("lost", "answer_too_large")
    assert got["grown_mib"] < 16
    assert got["seconds"] < 10


def test_a_body_that_is_not_gzip_after_all_is_lost(call):
    def answer(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain")

    with listening(answer) as address:
        got = call(f"http://{address}/v1", timeout_seconds=30)

    assert (got["kind"], got["code"]) == ("lost", "connection_lost")


def test_an_answer_as_large_as_allowed_is_taken(call):
    text = b'{"choices":"' + b"x" * 1000 + b'"}'

    def answer(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text))

    with listening(answer) as address:
        got = call(f"http://{address}/v1", max_answer_bytes=len(text))

    assert got["body"] == text.decode()
