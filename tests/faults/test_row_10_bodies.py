"""Row 10: slow, huge, lying and cut request bodies. Single cases: `tests/test_api_file_creation*.py`."""

import time
from contextlib import ExitStack

import pytest

from api import payloads
from tests.api_server import MEBIBYTE, refusal, running_api, wait_until
from tests.half_sent import sending
from tests.kinds import on_sqlite
from tests.multipart_bodies import END, FILE, LINES, MULTIPART, PURPOSE, part

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

JSON = {"content-type": "application/json"}
BODY = PURPOSE + FILE + END
BEGUN = PURPOSE + part("file", LINES + b"x" * (2 * MEBIBYTE), "a.jsonl")[:-2]


def test_others_are_served_beside_all_kinds_of_bad_bodies_and_the_disk_is_clean_afterwards(api):
    with ExitStack() as connections:
        for _ in range(30):
            sender = connections.enter_context(sending(api, content_length=50 * MEBIBYTE))
            sender.sendall(BEGUN)
        for _ in range(30):
            connections.enter_context(sending(api, content_length=100, path="/v1/jobs", **JSON))
        wait_until(lambda: len(api.stored()) == 30, "all uploads to begin")

        kept = [api.upload(LINES).json()["id"] for _ in range(5)]
        assert api.call("GET", "/v1/jobs").json()["data"] == []

    wait_until(lambda: {path.name for path in api.stored()} == set(kept), "what was cut off to go")
    assert {file["id"] for file in api.call("GET", "/v1/files").json()["data"]} == set(kept)


@on_sqlite
@pytest.mark.parametrize(
    ("path", "headers", "begin"), [("/v1/files", {}, PURPOSE + FILE), ("/v1/batches", JSON, b'{"endpoint": ')]
)
def test_a_byte_now_and_then_does_not_hold_a_place_for_ever(api, monkeypatch, path, headers, begin):
    """Each byte comes within the silence that is borne, but the body as a whole comes too slowly."""
    monkeypatch.setattr(payloads, "SILENCE_SECONDS", 0.5)
    with sending(api, content_length=MEBIBYTE, path=path, **headers) as sender:
        sender.sendall(begin)
        sender.settimeout(0.1)
        answer = b""
        for _ in range(300):
            sender.sendall(b" ")
            try:
                answer = sender.recv(65536)
            except TimeoutError:
                continue
            break

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert api.stored() == []


@on_sqlite
def test_a_large_body_may_take_its_time(api, monkeypatch):
    """Who sends more than a thousand bytes a second is borne for longer than who sends nothing."""
    monkeypatch.setattr(payloads, "SILENCE_SECONDS", 1.0)
    began = time.monotonic()

    def pieces():
        yield PURPOSE + part("file", LINES, "a.jsonl")[:-2]
        while time.monotonic() < began + 2:
            yield b"\n" * 50_000
            time.sleep(0.05)
        yield b"\r\n" + END

    assert api.call("POST", "/v1/files", data=pieces(), headers=MULTIPART).json()["bytes"] > len(LINES)


@on_sqlite
def test_a_body_that_is_longer_than_it_said_is_cut_there_and_refused(api):
    with sending(api, content_length=len(BODY) - 5) as sender:
        sender.sendall(BODY)
        answer = sender.recv(65536)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert api.stored() == []
    assert api.upload(LINES).status_code == 200


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/jobs"])
def test_a_request_that_is_cut_off_makes_nothing(api, path):
    whole = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'
    with sending(api, content_length=len(whole) + 1, path=path, **JSON) as sender:
        sender.sendall(whole)

    assert api.call("GET", path).json()["data"] == []


@on_sqlite
def test_a_body_without_an_end_is_refused_at_the_limit(store, redis_client_url, tmp_path):
    """It comes in chunks, so nobody knows its length before."""
    with running_api(store.db, redis_client_url, tmp_path, max_body_bytes=MEBIBYTE) as api:
        refused = api.call("POST", "/v1/jobs", data=(b"[" * 65536 for _ in range(64)), headers=JSON)

        assert refused.status_code == 413
        assert "larger than" in refusal(refused)["message"]
