"""Large files that come in parts."""

import hashlib
import random

import openai
import pytest

from tests.sdk.batches import MODEL, jsonl, lines_of, many, reached

CONTENT = random.Random(1).randbytes(300_001)
HALVES = CONTENT[:200_000], CONTENT[200_000:]


def created(sdk, client, **change):
    """A pending upload of CONTENT."""
    wanted = {"bytes": len(CONTENT), "filename": "large.bin", "mime_type": "application/octet-stream"}
    return sdk.run(client.uploads.create(**{**wanted, "purpose": "user_data", **change}))


def sent(sdk, client, upload, *parts):
    """The ids of the parts."""
    return [sdk.run(client.uploads.parts.create(upload.id, data=part)).id for part in parts]


def test_a_new_upload_is_pending_for_an_hour(sdk, client):
    upload = created(sdk, client)

    assert upload.id.startswith("upload_")
    assert (upload.object, upload.status, upload.file) == ("upload", "pending", None)
    assert (upload.bytes, upload.filename, upload.purpose) == (len(CONTENT), "large.bin", "user_data")
    assert upload.expires_at == upload.created_at + 3600


def test_the_parts_become_a_file_in_the_order_in_which_they_are_named(sdk, client):
    upload = created(sdk, client)
    second, first = sent(sdk, client, upload, *reversed(HALVES))
    md5 = hashlib.md5(CONTENT).hexdigest()

    done = sdk.run(client.uploads.complete(upload.id, part_ids=[first, second], md5=md5))

    assert (done.id, done.status, done.bytes) == (upload.id, "completed", len(CONTENT))
    file = done.file
    assert (file.object, file.filename, file.bytes, file.purpose) == (
        "file",
        "large.bin",
        len(CONTENT),
        "user_data",
    )
    assert sdk.run(client.files.retrieve(file.id)) == file
    assert sdk.run(client.files.content(file.id)).read() == CONTENT


def test_a_part_says_what_it_is_part_of(sdk, client):
    upload = created(sdk, client)

    part = sdk.run(client.uploads.parts.create(upload.id, data=HALVES[0]))

    assert (part.object, part.upload_id) == ("upload.part", upload.id)
    assert part._request_id.startswith("req_")


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # 1.109.1 leaves it open
def test_a_file_on_disk_is_uploaded_in_chunks(sdk, client, relay, relayed, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(CONTENT)

    done = sdk.run(
        relayed.uploads.upload_file_chunked(
            file=path, mime_type="application/octet-stream", purpose="user_data", part_size=100_000
        )
    )

    assert (done.status, done.filename, done.file.bytes) == ("completed", "large.bin", len(CONTENT))
    assert [seen.path.rpartition("/")[2] for seen in relay.seen] == ["uploads", *["parts"] * 4, "complete"]
    assert sdk.run(client.files.content(done.file.id)).read() == CONTENT


def test_bytes_are_uploaded_in_chunks_and_run_as_a_batch(sdk, client):
    content = jsonl(many(3))
    done = sdk.run(
        client.uploads.upload_file_chunked(
            file=content,
            filename="input.jsonl",
            bytes=len(content),
            mime_type="application/jsonl",
            purpose="batch",
            part_size=100,
        )
    )
    assert done.file.expires_at == done.file.created_at + 30 * 86_400

    batch = sdk.run(
        client.batches.create(
            input_file_id=done.file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    )
    batch = reached(sdk, client, batch.id, "completed")

    assert batch.model == MODEL
    assert lines_of(sdk, client, batch.output_file_id).keys() == {"line-1", "line-2", "line-3"}


def test_the_file_of_an_upload_lives_for_as_long_as_was_asked(sdk, client):
    upload = created(sdk, client, expires_after={"anchor": "created_at", "seconds": 7200})
    parts = sent(sdk, client, upload, CONTENT)

    file = sdk.run(client.uploads.complete(upload.id, part_ids=parts)).file

    assert file.expires_at == file.created_at + 7200


def test_a_cancelled_upload_takes_no_more_parts(sdk, client):
    upload = created(sdk, client)
    parts = sent(sdk, client, upload, CONTENT)

    cancelled = sdk.run(client.uploads.cancel(upload.id))

    assert (cancelled.id, cancelled.status, cancelled.file) == (upload.id, "cancelled", None)
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.run(client.uploads.parts.create(upload.id, data=b"more"))
    assert caught.value.status_code in (400, 409)
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.run(client.uploads.complete(upload.id, part_ids=parts))
    assert caught.value.status_code in (400, 409)


@pytest.mark.parametrize("wrong", ["size", "md5", "part"])
def test_an_upload_that_is_not_what_was_announced_is_not_completed(sdk, client, wrong):
    upload = created(sdk, client)
    parts = sent(sdk, client, upload, *(HALVES[:1] if wrong == "size" else HALVES))
    named = [*parts[:1], "part_nobody"] if wrong == "part" else parts
    more = {"md5": "0" * 32} if wrong == "md5" else {}

    with pytest.raises(openai.BadRequestError) as caught:
        sdk.run(client.uploads.complete(upload.id, part_ids=named, **more))

    assert caught.value.type == "invalid_request_error"
    assert str(caught.value.request_id).startswith("req_")


def test_an_upload_that_nobody_made_is_not_found(sdk, client):
    uploads = client.uploads
    for call in (
        lambda: uploads.parts.create("upload_none", data=b"a"),
        lambda: uploads.complete("upload_none", part_ids=["part_none"]),
        lambda: uploads.cancel("upload_none"),
    ):
        with pytest.raises(openai.NotFoundError):
            sdk.run(call())
