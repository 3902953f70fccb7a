"""Uploads that cannot be what was asked for: refused with the reason and the parameter, without a trace."""

import os
from datetime import timedelta

import openai
import pytest
from sqlalchemy import update

from api import upload_rows
from headrace.clock import now
from headrace.store import tables
from tests.api_server import MEBIBYTE, refusal, running_api, wait_until
from tests.half_sent import sending
from tests.kinds import on_sqlite
from tests.multipart_bodies import END, MULTIPART, PURPOSE, part
from tests.uploading import LINES, announce, begun, cancel, complete, names, part_of, send

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

MISSING = "missing_required_parameter"
PLENTY = 2**50


def refused(response, status=400):
    """The parameter and the code of a refusal."""
    assert response.status_code == status, response.text
    error = refusal(response)
    assert error["type"] == "invalid_request_error"
    return error["param"], error["code"]


def expire(store):
    with store.db.begin() as session:
        session.execute(update(tables.uploads).values(expires_at=now() - timedelta(seconds=1)))


@on_sqlite
@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"bytes": ...}, "bytes", MISSING),
        ({"bytes": -1}, "bytes", "integer_below_min_value"),
        ({"bytes": "12"}, "bytes", "invalid_type"),
        ({"bytes": 1.5}, "bytes", "invalid_type"),
        ({"bytes": True}, "bytes", "invalid_type"),
        ({"filename": ...}, "filename", MISSING),
        ({"filename": ""}, "filename", "invalid_value"),
        ({"filename": "a\0.jsonl"}, "filename", "invalid_value"),
        ({"mime_type": ...}, "mime_type", MISSING),
        ({"mime_type": "x" * 600}, "mime_type", "invalid_value"),
        ({"purpose": "batch_output"}, "purpose", "invalid_value"),
        ({"expires_after": {"anchor": "created_at"}}, "expires_after.seconds", MISSING),
        (
            {"expires_after": {"anchor": "created_at", "seconds": 3599}},
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        ({"filename": "in.json"}, None, None),
    ],
)
def test_an_announcement_that_is_wrong_is_refused_by_name(api, change, param, code):
    assert refused(announce(api, **change)) == (param, code)


@on_sqlite
def test_a_file_that_is_too_large_is_refused_when_it_is_announced(store, redis_client_url, tmp_path):
    limits = {"max_file_bytes": 1000, "max_upload_bytes": 5000}
    with running_api(store.db, redis_client_url, tmp_path, **limits) as api:
        for purpose, most in (("batch", 1000), ("user_data", 5000)):
            assert announce(api, most, purpose=purpose).status_code == 200
            assert refused(announce(api, most + 1, purpose=purpose), 413) == ("bytes", None)


def test_uploads_of_another_key_do_not_exist(api):
    upload_id = begun(api)
    part_id = part_of(api, upload_id, LINES)
    _, stranger = api.new_key()

    for response in (
        send(api, upload_id, LINES, key=stranger),
        complete(api, upload_id, [part_id], key=stranger),
        cancel(api, upload_id, key=stranger),
        send(api, "upload_nothere", LINES),
        complete(api, "upload_nothere", [part_id]),
        cancel(api, "upload_nothere"),
    ):
        assert refused(response, 404) == ("upload_id", None)
        assert "No such Upload object" in refusal(response)["message"]
    assert complete(api, upload_id, [part_id]).status_code == 200


@pytest.mark.parametrize("end", ["cancelled", "completed", "expired"])
def test_an_upload_that_has_ended_is_not_changed_any_more(api, store, end):
    upload_id = begun(api)
    part_id = part_of(api, upload_id, LINES)
    if end == "cancelled":
        cancel(api, upload_id)
    elif end == "completed":
        complete(api, upload_id, [part_id])
    else:
        expire(store)
    before = names(api)

    assert refused(send(api, upload_id, LINES)) == ("upload_id", None)
    assert end in refusal(send(api, upload_id, LINES))["message"]
    if end != "completed":
        assert refused(complete(api, upload_id, [part_id])) == ("upload_id", None)
    if end != "cancelled":
        assert refused(cancel(api, upload_id)) == ("upload_id", None)
    assert names(api) == before


def test_a_large_part_to_an_upload_that_has_ended_tells_the_sdk_why(api):
    upload_id = begun(api, 20 * MEBIBYTE, purpose="user_data")
    cancel(api, upload_id)

    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        api.sdk(max_retries=0).uploads.parts.create(upload_id, data=b"x" * (20 * MEBIBYTE))


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda mine, other: [mine, other], "has no part"),
        (lambda mine, other: [mine, "part_nothere"], "has no part"),  # noqa: ARG005
        (lambda mine, other: [mine, mine], "named twice"),  # noqa: ARG005
        (lambda mine, other: [], "0 bytes together"),  # noqa: ARG005
    ],
    ids=["another's", "unknown", "twice", "none"],
)
def test_parts_that_are_not_those_of_the_upload_are_refused(api, choose, words):
    upload_id, another_id = begun(api), begun(api)
    mine, other = part_of(api, upload_id, LINES), part_of(api, another_id, LINES)

    response = complete(api, upload_id, choose(mine, other))

    assert refused(response) == ("part_ids", "invalid_value")
    assert words in refusal(response)["message"]
    assert complete(api, upload_id, [mine]).status_code == 200


@on_sqlite
@pytest.mark.parametrize("data", [LINES + b"\n", LINES[:-1]])
def test_parts_with_more_or_fewer_bytes_than_were_announced_are_refused(api, data):
    upload_id = begun(api)

    response = complete(api, upload_id, [part_of(api, upload_id, data)])

    assert refused(response) == ("part_ids", "invalid_value")
    assert str(len(data)) in refusal(response)["message"]


@on_sqlite
@pytest.mark.parametrize("md5", ["0" * 32, "", "no md5"])
def test_a_file_with_another_md5_is_refused_and_may_be_completed_all_the_same(api, md5):
    upload_id = begun(api)
    part_id = part_of(api, upload_id, LINES)

    response = complete(api, upload_id, [part_id], md5=md5)

    assert refused(response) == ("md5", "invalid_value")
    assert names(api) == {part_id}
    assert complete(api, upload_id, [part_id]).status_code == 200


def test_a_completed_upload_is_not_completed_of_other_parts(api):
    upload_id = begun(api, 2, purpose="user_data")
    one, two = part_of(api, upload_id, b"a"), part_of(api, upload_id, b"b")
    complete(api, upload_id, [one, two])

    assert refused(complete(api, upload_id, [two, one])) == ("part_ids", "invalid_value")


@on_sqlite
@pytest.mark.parametrize("data", [b"", b"not json\n", b"\n" + LINES])
def test_what_cannot_be_a_batch_input_is_refused_as_if_it_came_whole(api, data):
    whole = api.upload(data)
    upload_id = begun(api, len(data))

    response = complete(api, upload_id, [part_of(api, upload_id, data)])

    assert refused(response) == (None, None)
    assert refusal(response)["message"] == refusal(whole)["message"]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (END, "data", MISSING),
        (PURPOSE + END, "data", MISSING),
        (part("data", LINES) + END, "data", None),
        (part("data", LINES, "upload"), None, None),
        (part("data", LINES, "upload") * 2 + END, "data", None),
    ],
)
def test_a_part_that_is_not_whole_and_right_is_refused(api, body, param, code):
    response = api.call("POST", f"/v1/uploads/{begun(api)}/parts", data=body, headers=MULTIPART)

    assert refused(response) == (param, code)
    assert names(api) == set()


@on_sqlite
def test_an_upload_has_so_many_parts_and_not_one_more(api, monkeypatch):
    monkeypatch.setattr("api.uploads.MAX_PARTS", 2)
    upload_id = begun(api)
    kept = {part_of(api, upload_id, LINES), part_of(api, upload_id, LINES)}

    assert refused(send(api, upload_id, LINES)) == ("upload_id", None)
    assert names(api) == kept
    assert upload_rows.MAX_PARTS == 10_000


def test_parts_far_beyond_what_was_announced_are_refused(api, monkeypatch):
    monkeypatch.setattr("api.uploads.SLACK_BYTES", 0)
    upload_id = begun(api, len(LINES))
    kept = {part_of(api, upload_id, LINES), part_of(api, upload_id, LINES)}

    refusal_ = send(api, upload_id, b"x")

    assert (refusal_.status_code, refusal(refusal_)["param"]) == (413, "data")
    assert names(api) == kept


def test_a_part_that_comes_while_its_upload_ends_leaves_nothing(api):
    upload_id = begun(api)
    body = part("data", LINES, "upload") + END
    with sending(api, content_length=len(body), path=f"/v1/uploads/{upload_id}/parts") as sender:
        sender.sendall(body[:-10])
        wait_until(api.stored, "the part to begin")
        cancel(api, upload_id)
        sender.sendall(body[-10:])
        answer = sender.recv(65536)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert names(api) == set()


@on_sqlite
def test_a_part_that_is_cut_off_leaves_nothing(api):
    path = f"/v1/uploads/{begun(api)}/parts"
    with sending(api, content_length=50 * MEBIBYTE, path=path) as sender:
        sender.sendall(part("data", b"x" * (5 * MEBIBYTE), "upload"))
        wait_until(lambda: sum(path.stat().st_size for path in api.stored()) > MEBIBYTE, "bytes on disk")

    wait_until(lambda: api.stored() == [], "the half part to go")


@on_sqlite
def test_parts_and_their_file_are_refused_while_the_disk_is_short(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path) as api:
        upload_id = begun(api)
        part_id = part_of(api, upload_id, LINES)
        api.settings.min_free_bytes = PLENTY
        for response in (send(api, upload_id, LINES), complete(api, upload_id, [part_id])):
            assert response.status_code == 503
            assert "no room" in refusal(response)["message"]
            assert int(response.headers["retry-after"]) > 0
        assert names(api) == {part_id}

        api.settings.min_free_bytes = 0
        assert complete(api, upload_id, [part_id]).status_code == 200


@on_sqlite
def test_a_file_that_there_is_no_room_for_is_not_begun(store, redis_client_url, tmp_path):
    """Its part is a pipe here, which would never be read to its end."""
    with running_api(store.db, redis_client_url, tmp_path, min_free_bytes=0) as api:
        upload_id = begun(api)
        part_id = part_of(api, upload_id, LINES)
        (path,) = api.stored()
        path.unlink()
        os.mkfifo(path)
        api.settings.min_free_bytes = PLENTY
        with path.open("r+b", buffering=0):
            assert complete(api, upload_id, [part_id]).status_code == 503


@on_sqlite
def test_a_part_whose_bytes_are_away_is_waited_for(api):
    upload_id = begun(api)
    part_id = part_of(api, upload_id, LINES)
    (path,) = api.stored()
    path.rename(path.with_name("away"))

    away = complete(api, upload_id, [part_id])
    path.with_name("away").rename(path)

    assert away.status_code == 503
    assert complete(api, upload_id, [part_id]).status_code == 200
