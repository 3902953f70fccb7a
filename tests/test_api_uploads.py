"""Uploads: files that come in parts, with the SDK and without."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import select

from headrace.clock import now
from headrace.models import UploadPart
from headrace.store import tables
from tests.kinds import on_sqlite
from tests.uploading import LINES, begun, cancel, complete, content, names, part_of, send

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

DAY_SECONDS = 86_400


def parts_known(store):
    with store.db.read() as session:
        return set(session.exec(select(UploadPart.id)))


def test_the_sdk_sends_a_file_in_parts_and_it_is_a_file_like_any_other(api, tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(LINES * 1000)

    upload = api.sdk().uploads.upload_file_chunked(
        file=path,
        mime_type="text/jsonl",
        purpose="batch",
        part_size=10_000,
        md5=hashlib.md5(path.read_bytes()).hexdigest(),
    )

    assert (upload.object, upload.status, upload.bytes) == ("upload", "completed", len(LINES) * 1000)
    assert (upload.filename, upload.purpose) == ("requests.jsonl", "batch")
    assert upload.expires_at == upload.created_at + 3600
    assert upload.file
    assert api.sdk().files.retrieve(upload.file.id) == upload.file
    assert (upload.file.bytes, upload.file.filename, upload.file.purpose, upload.file.status) == (
        len(LINES) * 1000,
        "requests.jsonl",
        "batch",
        "processed",
    )
    assert upload.file.expires_at == upload.file.created_at + 30 * DAY_SECONDS
    assert [file.id for file in api.sdk().files.list()] == [upload.file.id]
    assert api.sdk().files.content(upload.file.id).read() == path.read_bytes()


def test_each_call_of_the_sdk_answers_with_a_whole_object(api):
    sdk = api.sdk()
    made = sdk.uploads.create(bytes=6, filename="a.txt", mime_type="text/plain", purpose="user_data")
    part = sdk.uploads.parts.create(made.id, data=b"abcdef")

    assert made.id.startswith("upload_")
    assert (made.status, made.file) == ("pending", None)
    assert part.id.startswith("part_")
    assert (part.object, part.upload_id) == ("upload.part", made.id)
    assert abs(part.created_at - made.created_at) < 60

    done = sdk.uploads.complete(made.id, part_ids=[part.id])
    assert (done.id, done.status, done.created_at) == (made.id, "completed", made.created_at)

    other = sdk.uploads.create(bytes=6, filename="a.txt", mime_type="text/plain", purpose="user_data")
    assert sdk.uploads.cancel(other.id) == other.model_copy(update={"status": "cancelled"})


def test_the_order_of_the_parts_is_that_of_the_completion(api, store):
    upload_id = begun(api, 6, purpose="assistants")
    late, early, unused = (part_of(api, upload_id, data) for data in (b"def", b"abc", b"sent twice"))

    file = complete(api, upload_id, [early, late]).json()["file"]

    assert content(api, file["id"]) == b"abcdef"
    assert unused not in names(api)
    assert names(api) == {file["id"]}
    assert parts_known(store) == set()


def test_parts_may_be_sent_side_by_side(api):
    pieces = [bytes([number]) * 100_000 for number in range(16)]
    upload_id = begun(api, 1_600_000, purpose="vision")
    with ThreadPoolExecutor(8) as pool:
        part_ids = list(pool.map(lambda piece: part_of(api, upload_id, piece), pieces))

    file = complete(api, upload_id, part_ids).json()["file"]

    assert content(api, file["id"]) == b"".join(pieces)


def test_the_files_life_is_as_asked_for_or_as_that_of_any_file(api):
    asked = {"anchor": "created_at", "seconds": 7200}
    lives = []
    for purpose, expires_after in (("batch", asked), ("batch", ...), ("evals", ...), ("vision", asked)):
        upload_id = begun(api, purpose=purpose, expires_after=expires_after)
        file = complete(api, upload_id, [part_of(api, upload_id, LINES)]).json()["file"]
        lives.append(file["expires_at"] and file["expires_at"] - file["created_at"])

    assert lives == [7200, 30 * DAY_SECONDS, None, 7200]


@on_sqlite
def test_an_empty_file_needs_no_part(api):
    upload_id = begun(api, 0, purpose="user_data")

    file = complete(api, upload_id, []).json()["file"]

    assert (file["bytes"], content(api, file["id"])) == (0, b"")


@on_sqlite
@pytest.mark.parametrize("shown", [str.upper, str.lower])
def test_the_md5_is_that_of_the_whole_file_however_it_is_written(api, shown):
    upload_id = begun(api, purpose="user_data")
    parts = [part_of(api, upload_id, LINES[:7]), part_of(api, upload_id, LINES[7:])]

    done = complete(api, upload_id, parts, md5=shown(hashlib.md5(LINES).hexdigest()))

    assert done.status_code == 200


def test_a_completion_that_is_sent_again_has_the_same_answer(api):
    upload_id = begun(api)
    part_id = part_of(api, upload_id, LINES)
    first = complete(api, upload_id, [part_id])

    again = complete(api, upload_id, [part_id])

    assert (again.status_code, again.json()) == (200, first.json())
    assert names(api) == {first.json()["file"]["id"]}


@pytest.mark.parametrize("end", ["deleted", "over"])
def test_a_completed_upload_whose_file_is_gone_shows_none(api, store, end):
    upload_id = begun(api)
    part_id = part_of(api, upload_id, LINES)
    file = complete(api, upload_id, [part_id]).json()["file"]
    if end == "deleted":
        api.call("DELETE", f"/v1/files/{file['id']}")
    else:
        with store.db.begin() as session:
            session.execute(update(tables.files).values(expires_at=now() - timedelta(seconds=1)))

    again = complete(api, upload_id, [part_id]).json()

    assert (again["status"], again["file"]) == ("completed", None)


def test_the_bytes_of_a_cancelled_upload_go_at_once_and_it_may_be_cancelled_again(api, store):
    upload_id = begun(api)
    part_of(api, upload_id, LINES)

    first = cancel(api, upload_id)
    again = cancel(api, upload_id)

    assert (first.status_code, first.json()["status"], first.json()["file"]) == (200, "cancelled", None)
    assert (again.status_code, again.json()) == (200, first.json())
    assert names(api) == set()
    assert parts_known(store) == set()


def test_a_completed_upload_may_be_asked_for_again_behind_its_time(api, store):
    upload_id = begun(api)
    part_id = part_of(api, upload_id, LINES)
    first = complete(api, upload_id, [part_id]).json()
    with store.db.begin() as session:
        session.execute(update(tables.uploads).values(expires_at=now() - timedelta(hours=1)))

    again = complete(api, upload_id, [part_id]).json()

    assert (again["status"], again["file"]) == ("completed", first["file"])


@on_sqlite
def test_a_part_may_have_64_mebibytes(api):
    data = b"\0" * 67_108_864
    upload_id = begun(api, len(data), purpose="user_data")

    file = complete(api, upload_id, [part_of(api, upload_id, data)]).json()["file"]

    assert file["bytes"] == len(data)
    assert send(api, begun(api), data + b"\0").status_code == 413
