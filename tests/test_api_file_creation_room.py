"""Uploads that there is no room for: refused before they are read, with a word on when to try again."""

import pytest

from headrace.disk import free_bytes
from tests.api_server import MEBIBYTE, refusal, running_api, wait_until
from tests.half_sent import sending
from tests.kinds import on_sqlite
from tests.multipart_bodies import LINES, PURPOSE, part

pytest_plugins = ["tests.databases", "tests.api_fixtures"]
pytestmark = on_sqlite

PLENTY = 2**50


@pytest.fixture
def narrow(store, redis_client_url, tmp_path):
    """An API that takes a file of any size, but leaves a petabyte free."""
    with running_api(store.db, redis_client_url, tmp_path, min_free_bytes=PLENTY) as api:
        yield api


def test_a_file_is_refused_while_the_disk_is_short(narrow):
    refused = narrow.upload(LINES)

    assert refused.status_code == 503
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert "no room" in refusal(refused)["message"]
    assert narrow.stored() == []


def test_other_requests_are_answered_all_the_same(narrow):
    assert narrow.call("GET", "/v1/files").status_code == 200


def test_a_file_that_would_not_leave_enough_is_refused_before_it_is_read(store, redis_client_url, tmp_path):
    room = free_bytes(tmp_path)
    limits = {"min_free_bytes": MEBIBYTE, "max_file_bytes": 2 * room}
    with running_api(store.db, redis_client_url, tmp_path, **limits) as api:
        with sending(api, content_length=room + room // 2) as sender:
            answer = sender.recv(65536)

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer.lower()
        assert api.stored() == []
        assert api.upload(LINES).status_code == 200


def test_a_disk_that_becomes_short_on_the_way_ends_the_upload(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path, min_free_bytes=0) as api:
        with sending(api, content_length=50 * MEBIBYTE) as sender:
            sender.sendall(PURPOSE + part("file", LINES + b"x" * (3 * MEBIBYTE), "a.jsonl")[:-2])
            wait_until(lambda: sum(path.stat().st_size for path in api.stored()) > MEBIBYTE, "bytes on disk")
            api.settings.min_free_bytes = PLENTY
            sender.sendall(b"x" * (3 * MEBIBYTE))
            answer = sender.recv(65536)

        assert answer.startswith(b"HTTP/1.1 503 ")
        wait_until(lambda: api.stored() == [], "the half file to go")


@pytest.mark.parametrize(
    ("path", "headers"), [("/v1/files", {}), ("/v1/jobs", {"content-type": "application/json"})]
)
def test_a_body_that_announces_more_than_the_limit_is_refused_before_it_is_read(
    store, redis_client_url, tmp_path, path, headers
):
    limits = {"max_file_bytes": MEBIBYTE, "max_body_bytes": MEBIBYTE}
    with running_api(store.db, redis_client_url, tmp_path, **limits) as api:
        with sending(api, content_length=2 * MEBIBYTE, path=path, **headers) as sender:
            answer = sender.recv(65536)

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert api.stored() == []
