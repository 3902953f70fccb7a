"""Files: listed, read and deleted by their owners."""

from datetime import timedelta
from typing import get_args
from urllib.parse import quote

import openai
import pytest
from openai.types import FileObject, FilePurpose
from sqlalchemy import update

from headrace.clock import now
from headrace.store import tables
from tests.api_server import refusal
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

LINES = b'{"custom_id": "a"}\n{"custom_id": "b"}\n'


def test_a_file_goes_through_the_sdk_and_comes_back(api, tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(LINES)

    with path.open("rb") as source:
        made = api.sdk().files.create(file=source, purpose="batch")

    assert made.id.startswith("file-")
    assert (made.filename, made.bytes, made.purpose, made.status) == (
        path.name,
        len(LINES),
        "batch",
        "processed",
    )
    assert made.expires_at == made.created_at + 30 * 86_400
    assert api.sdk().files.retrieve(made.id) == made
    assert api.sdk().files.wait_for_processing(made.id) == made
    assert api.sdk().files.content(made.id).read() == LINES


def test_the_list_pages_by_itself_in_both_orders(api):
    ids = [api.upload(LINES).json()["id"] for _ in range(5)]
    sdk = api.sdk()

    assert [file.id for file in sdk.files.list(limit=2)] == ids[::-1]
    assert [file.id for file in sdk.files.list(limit=2, order="asc")] == ids
    assert [file.id for file in sdk.files.list()] == ids[::-1]


def test_a_page_says_where_it_begins_and_ends_and_whether_more_follow(api):
    ids = [api.upload(LINES).json()["id"] for _ in range(3)]

    first = api.call("GET", "/v1/files?limit=2").json()
    second = api.call("GET", f"/v1/files?limit=2&after={first['last_id']}").json()
    empty = api.call("GET", f"/v1/files?after={ids[0]}").json()

    assert (first["object"], first["first_id"], first["last_id"]) == ("list", ids[2], ids[1])
    assert first["has_more"] is True
    assert [file["id"] for file in second["data"]] == [ids[0]]
    assert second["has_more"] is False
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_the_list_can_be_of_one_purpose(api):
    api.upload(LINES)
    other = api.upload(b"anything", name="notes.txt", purpose="user_data").json()

    assert [file.id for file in api.sdk().files.list(purpose="user_data")] == [other["id"]]


def test_the_list_goes_on_behind_a_file_that_is_gone(api):
    ids = [api.upload(LINES).json()["id"] for _ in range(3)]
    api.call("DELETE", f"/v1/files/{ids[1]}")

    assert [file.id for file in api.sdk().files.list(after=ids[1])] == [ids[0]]
    assert [file.id for file in api.sdk().files.list(after=ids[1], order="asc")] == [ids[2]]


@pytest.mark.parametrize("lists", ["files", "batches", "jobs"])
def test_every_list_begins_at_its_start_when_after_is_empty(api, lists):
    input_id = api.upload(LINES).json()["id"]
    wanted = {"input_file_id": input_id, "endpoint": "/v1/embeddings", "completion_window": "24h"}
    assert api.call("POST", "/v1/batches", json=wanted).status_code == 200
    job = {"url": "/v1/embeddings", "body": {"model": "m", "input": "a"}}
    assert api.call("POST", "/v1/jobs", json=job).status_code == 200

    whole = api.call("GET", f"/v1/{lists}").json()
    assert len(whole["data"]) == 1
    assert api.call("GET", f"/v1/{lists}?after=").json() == whole


@on_sqlite
def test_the_list_takes_every_purpose_that_the_sdk_knows(api):
    of_objects = get_args(FileObject.model_fields["purpose"].annotation)
    for purpose in {*get_args(FilePurpose), *of_objects}:
        assert list(api.sdk().files.list(purpose=purpose)) == []


@on_sqlite
@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=10001", "limit", "integer_above_max_value"),
        ("limit=many", "limit", "invalid_type"),
        ("order=up", "order", "invalid_value"),
        ("after=batch_123", "after", "invalid_value"),
        ("after=file-1", "after", "invalid_value"),
        ("after=file-9" + 27 * "0", "after", "invalid_value"),
        ("after=file-0" + 27 * "0" + "%0A", "after", "invalid_value"),
        ("purpose=everything", "purpose", "invalid_value"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(api, query, param, code):
    response = api.call("GET", f"/v1/files?{query}")

    assert response.status_code == 400
    error = refusal(response)
    assert (error["param"], error["code"]) == (param, code)


def test_content_has_a_name_a_length_and_can_be_asked_for_in_ranges(api):
    file = api.upload(LINES, name="问题.jsonl").json()
    path = f"/v1/files/{file['id']}/content"

    whole = api.call("GET", path)
    part = api.call("GET", path, headers={"range": "bytes=2-10"})

    assert file["filename"] == "问题.jsonl"
    assert whole.headers["content-type"] == "application/jsonl"
    assert whole.headers["content-length"] == str(len(LINES))
    assert "filename*=utf-8''%E9%97%AE%E9%A2%98.jsonl" in whole.headers["content-disposition"]
    assert (part.status_code, part.content) == (206, LINES[2:11])


@on_sqlite
@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("bytes=9000-", 416, f"bytes */{len(LINES)}"),
        ("bytes=abc", 400, None),
        ("lines=1-2", 400, None),
        ("bytes=5-2", 400, None),
    ],
)
def test_a_range_that_cannot_be_is_refused_in_the_envelope(api, asked, status, told):
    file = api.upload(LINES).json()

    response = api.call("GET", f"/v1/files/{file['id']}/content", headers={"range": asked})

    assert (response.status_code, response.headers.get("content-range")) == (status, told)
    assert "Range" in refusal(response)["message"]
    assert refusal(response)["type"] == "invalid_request_error"


@on_sqlite
def test_content_whose_bytes_are_lost_is_not_found(api):
    file = api.upload(LINES).json()
    for path in api.stored():
        path.unlink()

    response = api.call("GET", f"/v1/files/{file['id']}/content")

    assert response.status_code == 404
    assert file["id"] in refusal(response)["message"]


def test_a_deleted_file_is_gone_with_its_bytes(api):
    sdk = api.sdk()
    file = sdk.files.create(file=("a.jsonl", LINES), purpose="batch")
    assert len(api.stored()) == 1

    deleted = sdk.files.delete(file.id)

    assert (deleted.id, deleted.object, deleted.deleted) == (file.id, "file", True)
    assert api.stored() == []
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(file.id)


def test_the_input_of_an_unfinished_batch_cannot_be_deleted(api, store):
    file = api.upload(LINES).json()
    batch_id = store.new_batch()
    store.set_batch(batch_id, input_file_id=file["id"])

    kept = api.call("DELETE", f"/v1/files/{file['id']}")

    assert kept.status_code == 409
    assert kept.headers["x-should-retry"] == "false"
    assert batch_id in refusal(kept)["message"]
    assert api.call("GET", f"/v1/files/{file['id']}/content").content == LINES

    store.set_batch(batch_id, status="failed", failed_at=now())
    assert api.call("DELETE", f"/v1/files/{file['id']}").status_code == 200


def test_a_stranger_who_names_a_file_as_input_does_not_keep_its_owner_from_deleting_it(api):
    file = api.upload(LINES).json()
    _, stranger = api.new_key()
    wanted = {"input_file_id": file["id"], "endpoint": "/v1/embeddings", "completion_window": "24h"}
    api.call("POST", "/v1/batches", json=wanted, key=stranger)

    assert api.call("DELETE", f"/v1/files/{file['id']}").status_code == 200


def test_an_expired_file_is_gone(api, store):
    file = api.upload(LINES).json()
    with store.db.begin() as session:
        session.execute(update(tables.files).values(expires_at=now() - timedelta(seconds=1)))

    for path in (f"/v1/files/{file['id']}", f"/v1/files/{file['id']}/content"):
        assert api.call("GET", path).status_code == 404
    assert api.call("DELETE", f"/v1/files/{file['id']}").status_code == 404
    assert api.call("GET", "/v1/files").json()["data"] == []


def test_files_of_another_key_do_not_exist(api):
    file = api.upload(LINES).json()
    _, stranger = api.new_key()

    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        response = api.call(method, f"/v1/files/{file['id']}{path}", key=stranger)
        assert response.status_code == 404
    assert api.call("GET", "/v1/files", key=stranger).json()["data"] == []
    assert api.call("GET", f"/v1/files/{file['id']}").status_code == 200


@pytest.mark.parametrize("file_id", ["file-nothere", "文件", "x" * 2000])
def test_an_unknown_file_is_named_in_the_refusal(api, file_id):
    response = api.call("GET", f"/v1/files/{quote(file_id)}/content")

    assert response.status_code == 404
    error = refusal(response)
    assert error["message"] == f"No such File object: {file_id}"
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "id", None)
