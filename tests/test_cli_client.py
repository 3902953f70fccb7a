"""The client of our API: what it sends, what it bears, and what it says when it cannot go on."""

import json
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from headrace.client import Client, Refused, Unreachable
from tests.servers import free_port

BATCH = {
    "id": "batch_1",
    "status": "in_progress",
    "created_at": 1,
    "request_counts": {"total": 5, "completed": 2, "failed": 1},
    "usage": None,
    "errors": None,
    "metadata": None,
}


class Server(ThreadingHTTPServer):
    """Gives `answers`, one a request, and keeps the requests. A status of None cuts the connection."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int | None, Any]] = []
        self.requests: list[tuple[str, Message, bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        length = int(self.headers["content-length"] or 0)
        self.server.requests.append((self.path, self.headers, self.rfile.read(length)))
        status, body = self.server.answers.pop(0)
        if status is None:
            self.close_connection = True
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        """Not on our standard error."""


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture
def client(server):
    client = Client(f"http://127.0.0.1:{server.server_port}/v1/", "hr-key")
    yield client
    client.close()


def test_a_get_bears_a_503_and_a_cut_connection(client, server):
    error = {"error": {"message": "A part does not answer now."}}
    server.answers = [(503, error), (None, None), (200, BATCH)]

    batch = client.batch("batch_1")

    assert (batch.done, batch.total, batch.usage["total_tokens"]) == (3, 5, 0)
    assert len(server.requests) == 3


def test_a_batch_whose_answer_was_lost_is_asked_for_again_under_the_same_key(client, server):
    server.answers = [(200, BATCH), (None, None), (503, {"error": {"message": "Not now."}}), (200, BATCH)]
    client.batch("batch_1")

    assert client.create_batch("file-1", "/v1/chat/completions", {}).id == "batch_1"

    tries = server.requests[1:]
    assert len(tries) == 3
    assert len({(headers["idempotency-key"], body) for _, headers, body in tries}) == 1
    server.answers = [(200, BATCH)]
    client.create_batch("file-1", "/v1/chat/completions", {})
    assert server.requests[-1][1]["idempotency-key"] != tries[0][1]["idempotency-key"]


def test_what_has_no_key_is_never_sent_twice(client, server):
    server.answers = [(200, BATCH), (503, {"error": {"message": "A part does not answer now."}})]
    client.batch("batch_1")

    with pytest.raises(Refused, match="A part does not answer now"):
        client.cancel("batch_1")

    assert len(server.requests) == 2


def test_an_address_that_never_answered_is_given_up_at_once():
    client = Client(f"http://127.0.0.1:{free_port()}", "hr-key")

    with pytest.raises(Unreachable, match=r"no answer from http://127.0.0.1:\d+ \(ConnectionError\)"):
        client.batch("batch_1")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": "Not Found"}'])
def test_what_is_no_headrace_is_told_so(client, server, body):
    server.answers = [(404, body)]

    with pytest.raises(Refused, match=r"/v1/batches/batch_1 answered 404 Not Found: is that headrace\?"):
        client.batch("batch_1")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_an_answer_that_is_no_batch_is_told_so(client, server, body):
    server.answers = [(200, body)]

    with pytest.raises(Unreachable, match="is that headrace"):
        client.batch("batch_1")


def test_what_is_not_ready_is_named(client, server):
    server.answers = [(503, {"ready": False, "checks": {"database": "ok", "workers": "none is alive"}})]

    assert client.not_ready() == "workers: none is alive"


def test_an_upload_is_one_form_whose_length_is_told(client, server, tmp_path):
    content = b"x" * 200_000
    (tmp_path / "a.jsonl").write_bytes(content)
    server.answers = [(200, {"id": "file-1"})]

    assert client.upload(tmp_path / "a.jsonl", 'my "file"\r\n.jsonl') == "file-1"

    ((path, headers, body),) = server.requests
    boundary = headers["content-type"].removeprefix("multipart/form-data; boundary=").encode()
    _, purpose, file, end = body.split(b"--" + boundary)
    assert path == "/v1/files"
    assert purpose == b'\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    name = b'\r\nContent-Disposition: form-data; name="file"; filename="my %22file%22%0D%0A.jsonl"\r\n\r\n'
    assert file == name + content + b"\r\n"
    assert end == b"--\r\n"


def test_neither_a_proxy_nor_a_netrc_comes_between_us_and_the_loopback(client, server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login somebody password else")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    server.answers = [(200, BATCH)]

    client.batch("batch_1")

    assert server.requests[0][1]["authorization"] == "Bearer hr-key"


def test_all_batches_are_fetched_page_by_page(client, server):
    def page(*ids, has_more):
        return 200, {"data": [BATCH | {"id": batch_id} for batch_id in ids], "has_more": has_more}

    server.answers = [page("c", "b", has_more=True), page("a", has_more=False)]

    assert [batch.id for batch in client.batches(page=2)] == ["c", "b", "a"]
    assert [path for path, _, _ in server.requests] == [
        "/v1/batches?limit=2",
        "/v1/batches?limit=2&after=b",
    ]
