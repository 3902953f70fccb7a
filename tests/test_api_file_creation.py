"""`POST /v1/files`: streamed to disk whatever its size; what is cut off or too large leaves nothing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from sqlalchemy import text

from api import payloads
from headrace.store import files
from tests.api_server import MEBIBYTE, refusal, running_api, wait_until
from tests.half_sent import sending
from tests.kinds import on_sqlite
from tests.multipart_bodies import END, FILE, LINES, MULTIPART, PURPOSE, part

pytest_plugins = ["tests.databases", "tests.api_fixtures"]


@contextmanager
def table_away(store, name):
    """While it lasts, every statement on the table fails."""
    with store.db.begin() as session:
        session.execute(text(f"ALTER TABLE {name} RENAME TO away"))
    try:
        yield
    finally:
        with store.db.begin() as session:
            session.execute(text(f"ALTER TABLE away RENAME TO {name}"))


def test_the_parts_may_come_in_any_order(api):
    anchor = part("expires_after[anchor]", b"created_at")
    seconds = part("expires_after[seconds]", b"3600")

    response = api.call("POST", "/v1/files", data=FILE + seconds + anchor + PURPOSE + END, headers=MULTIPART)

    file = response.json()
    assert (file["filename"], file["purpose"], file["bytes"]) == ("a.jsonl", "batch", len(LINES))
    assert file["expires_at"] == file["created_at"] + 3600
    assert api.call("GET", f"/v1/files/{file['id']}/content").content == LINES


@on_sqlite
def test_a_body_that_comes_byte_by_byte_is_read_all_the_same(api):
    content = b'{"text": "\\r\\n--the-boundar"}\r\n--the-boundary-not\r\n-'
    body = part("file", content, "a.jsonl") + PURPOSE + END

    response = api.call(
        "POST", "/v1/files", data=(body[at : at + 1] for at in range(len(body))), headers=MULTIPART
    )

    assert response.status_code == 200
    assert api.call("GET", f"/v1/files/{response.json()['id']}/content").content == content


def test_only_batch_files_expire_unless_asked_for(api):
    sdk = api.sdk()

    kept = sdk.files.create(file=("a.txt", b"anything"), purpose="user_data")
    asked = sdk.files.create(
        file=("a.txt", b"anything"),
        purpose="assistants",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )

    assert kept.expires_at is None
    assert asked.expires_at == asked.created_at + 7200


@on_sqlite
def test_a_file_may_be_as_large_as_the_limit_and_not_a_byte_larger(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path, max_file_bytes=3 * MEBIBYTE) as api:
        filling = b" " * (3 * MEBIBYTE - len(LINES))
        assert api.upload(LINES + filling).status_code == 200
        before = api.stored()

        over = api.upload(LINES + filling + b" ")

        assert over.status_code == 413
        assert refusal(over)["param"] == "file"
        assert api.stored() == before


@on_sqlite
def test_a_file_over_the_limit_is_refused_before_it_is_all_there(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path, max_file_bytes=MEBIBYTE) as api:
        with sending(api, content_length=10**12) as sender:
            sender.sendall(PURPOSE + part("file", b"x" * (2 * MEBIBYTE), "a.jsonl"))
            answer = sender.recv(65536)

        assert answer.startswith(b"HTTP/1.1 413 ")
        wait_until(lambda: api.stored() == [], "the refused file to go")


@on_sqlite
@pytest.mark.parametrize("body", [PURPOSE + FILE + END + b" " * (2 * MEBIBYTE), b"\r\n" * MEBIBYTE])
def test_what_is_not_the_file_counts_too(store, redis_client_url, tmp_path, body):
    """Bytes behind the last boundary and before the first are no way around the limit."""
    with running_api(store.db, redis_client_url, tmp_path, max_file_bytes=MEBIBYTE) as api:
        response = api.call("POST", "/v1/files", data=body, headers=MULTIPART)

        assert response.status_code == 413
        assert refusal(response)["param"] == "file"


def test_a_file_that_was_long_on_its_way_comes_behind_those_that_were_there_before_it(api):
    with sending(api, content_length=len(PURPOSE + FILE + END)) as sender:
        sender.sendall(PURPOSE + FILE)
        wait_until(api.stored, "the upload to begin")
        seen = api.upload(LINES).json()["id"]
        sender.sendall(END)
        assert sender.recv(65536).startswith(b"HTTP/1.1 200 ")

    listed = [file.id for file in api.sdk().files.list()]
    assert listed[1:] == [seen]
    assert [file.id for file in api.sdk().files.list(order="asc", after=seen)] == listed[:1]


@on_sqlite
def test_an_upload_that_is_cut_off_leaves_nothing(api):
    with sending(api, content_length=50 * MEBIBYTE) as sender:
        sender.sendall(PURPOSE + part("file", LINES + b"x" * (5 * MEBIBYTE), "a.jsonl"))
        wait_until(lambda: sum(path.stat().st_size for path in api.stored()) > MEBIBYTE, "bytes on disk")

    wait_until(lambda: api.stored() == [], "the half file to go")
    assert api.call("GET", "/v1/files").json()["data"] == []


def test_a_file_whose_row_cannot_be_written_is_nobodys_and_left_to_be_tidied_away(api, store):
    with sending(api, content_length=len(PURPOSE + FILE + END)) as sender:
        sender.sendall(PURPOSE + FILE)
        wait_until(api.stored, "the upload to begin")
        with table_away(store, "files"):
            sender.sendall(END)
            answer = sender.recv(65536)

    assert answer.startswith(b"HTTP/1.1 50")
    assert api.call("GET", "/v1/files").json()["data"] == []
    (left,) = api.stored()
    with store.db.read() as session:
        assert files.needed(session, [left.name]) == set()


@on_sqlite
def test_a_folder_that_cannot_be_written_is_no_fault_of_the_client(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path) as api:
        api.settings.files_dir.write_text("a file where the folder should be")

        response = api.upload(LINES)

    assert response.status_code == 503
    assert refusal(response)["type"] == "service_unavailable_error"


@on_sqlite
def test_the_api_answers_others_while_a_large_file_comes_in(api):
    answered = 0
    with ThreadPoolExecutor() as background:
        upload = background.submit(api.upload, LINES + b"\r" * (30 * MEBIBYTE))
        while not upload.done():
            assert requests.get(f"{api.url}/healthz", timeout=1).ok
            answered += 1

    assert upload.result().status_code == 200
    assert answered > 3


@on_sqlite
def test_a_client_that_falls_silent_is_not_waited_for(api, monkeypatch):
    monkeypatch.setattr(payloads, "SILENCE_SECONDS", 0.1)

    with sending(api, content_length=MEBIBYTE) as sender:
        sender.sendall(PURPOSE + FILE)
        answer = sender.recv(65536)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert api.stored() == []
