"""What is no HTTP, or HTTP of a strange kind, gets an envelope with an id as well (contract 4.8)."""

import json
import socket
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.api_server import DEADLINE_SECONDS
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

pytestmark = on_sqlite


def answer_to(api, sent):
    """The status, the headers and the body of the one answer to these bytes."""
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE_SECONDS) as sender:
        sender.sendall(sent.replace(b"KEY", api.secret.encode()))
        response = HTTPResponse(sender)
        response.begin()
        return response, response.read()


def assert_envelope(response, body):
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["content-type"] == "application/json"
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/files\r\nhost: a\r\n\r\n",
        b"GET /v1/files HTTP/9\r\nhost: a\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /v1/a b HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nhost: a\r\n bad: b\x00c\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nhost: a\r\nendless: " + b"a" * 20_000,
        b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_400(api, sent):
    response, body = answer_to(api, sent)

    assert response.status == 400
    assert response.headers["connection"] == "close"
    assert_envelope(response, body)


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"5\r\nhello world\r\n"])
def test_a_body_in_chunks_that_are_none_is_a_400(api, chunk):
    head = b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer KEY\r\ntransfer-encoding: chunked"

    response, body = answer_to(api, head + b"\r\n\r\n" + chunk)

    assert response.status == 400
    assert_envelope(response, body)
    assert api.call("GET", "/healthz").status_code == 200


def test_a_body_that_turns_out_to_be_none_after_its_answer_ends_the_connection(api, caplog):
    address = urlsplit(api.url)
    head = b"POST /v1/files HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE_SECONDS) as sender:
        sender.sendall(head)
        response = HTTPResponse(sender)
        response.begin()
        assert_envelope(response, response.read())
        assert response.status == 401

        sender.sendall(b"zz\r\n")

        assert sender.recv(1) == b""
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"BREW /v1/files HTTP/1.1", 405),
        (b"CONNECT a:443 HTTP/1.1", 404),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"PRI * HTTP/2.0", 404),
        (b"GET http://a/v1/files HTTP/1.1", 404),
        (b"GET /v1/files HTTP/1.0", 401),
        (b"GET //v1/files HTTP/1.1", 404),
        (b"GET /v1/../v1/files HTTP/1.1", 404),
        (b"GET /v1/files?limit=%FF HTTP/1.1", 401),
        (b"GET /%ff%fe HTTP/1.1", 404),
    ],
)
def test_http_of_a_strange_kind_is_answered_like_any_other(api, line, status):
    response, body = answer_to(api, line + b"\r\nhost: a\r\n\r\n")

    assert response.status == status
    assert_envelope(response, body)


def test_whoever_expects_to_be_told_to_go_on_is_told(api):
    head = b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer KEY\r\nexpect: 100-continue\r\n"
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE_SECONDS) as sender:
        sender.sendall(head.replace(b"KEY", api.secret.encode()) + b"content-length: 2\r\n\r\n")
        assert sender.recv(4096).startswith(b"HTTP/1.1 100 ")
        sender.sendall(b"{}")
        response = HTTPResponse(sender)
        response.begin()

        assert response.status == 400
        assert_envelope(response, response.read())


def test_whoever_expects_something_else_is_answered_all_the_same(api):
    response, body = answer_to(api, b"GET /v1/files HTTP/1.1\r\nhost: a\r\nexpect: wonders\r\n\r\n")

    assert response.status == 401
    assert_envelope(response, body)
