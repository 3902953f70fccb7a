"""Files: created in every form, listed, paged through, looked at, deleted."""

import io

import openai
import pytest

CONTENT = "das Rad dreht sich: 轮子转动\n".encode()
LINES = b'{"custom_id": "a"}\n{"custom_id": "b"}\n'
DAY_SECONDS = 86_400


@pytest.mark.parametrize("form", ["an open file", "bytes", "a tuple", "a path", "a buffer"])
def test_a_file_is_taken_in_every_form_that_the_sdk_takes(sdk, client, tmp_path, form):
    path = tmp_path / "notes.txt"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        file, name = {
            "an open file": (opened, "notes.txt"),
            "bytes": (CONTENT, "upload"),
            "a tuple": (("named.md", CONTENT, "text/markdown"), "named.md"),
            "a path": (path, "notes.txt"),
            "a buffer": (io.BytesIO(CONTENT), "upload"),
        }[form]
        made = sdk.run(client.files.create(file=file, purpose="user_data"))

    assert (made.filename, made.bytes, made.purpose) == (name, len(CONTENT), "user_data")
    assert sdk.run(client.files.content(made.id)).read() == CONTENT


def test_a_batch_input_is_processed_at_once_and_kept_for_30_days(sdk, client, tmp_path):
    path = tmp_path / "input.jsonl"
    path.write_bytes(LINES)

    with path.open("rb") as opened:
        made = sdk.run(client.files.create(file=opened, purpose="batch"))

    assert made.id.startswith("file-")
    assert (made.object, made.status, made.status_details) == ("file", "processed", None)
    assert made.expires_at == made.created_at + 30 * DAY_SECONDS
    assert sdk.run(client.files.retrieve(made.id)) == made
    assert sdk.run(client.files.wait_for_processing(made.id)) == made


def test_a_file_lives_for_as_long_as_was_asked(sdk, client):
    expiry = {"anchor": "created_at", "seconds": 3600}

    made = sdk.run(client.files.create(file=("a.jsonl", LINES), purpose="batch", expires_after=expiry))

    assert made.expires_at == made.created_at + 3600


@pytest.mark.parametrize("purpose", ["assistants", "fine-tune", "vision", "user_data"])
def test_a_file_for_another_purpose_never_expires(sdk, client, purpose):
    made = sdk.run(client.files.create(file=("a.bin", CONTENT), purpose=purpose))

    assert (made.purpose, made.expires_at) == (purpose, None)


@pytest.mark.parametrize("limit", [100, 333, 10_000])
def test_a_thousand_files_come_page_by_page_in_their_order(sdk, shelf, limit):
    newest_first = [file.filename for file in sdk.all(shelf.files.list(limit=limit))]

    assert newest_first == [f"{number}.jsonl" for number in reversed(range(1000))]


def test_a_list_without_a_limit_is_one_page_of_all(sdk, shelf):
    page = sdk.run(shelf.files.list())

    assert (len(page.data), page.has_more, page.has_next_page()) == (1000, False, False)


def test_a_list_goes_on_behind_a_file_and_in_the_other_order(sdk, shelf):
    first = sdk.run(shelf.files.list(order="asc", limit=3))
    second = sdk.run(first.get_next_page())
    behind = sdk.run(shelf.files.list(order="asc", limit=2, after=second.data[-1].id))

    names = [file.filename for page in (first, second, behind) for file in page.data]
    assert names == [f"{number}.jsonl" for number in range(8)]
    assert (first.has_more, first.first_id, first.last_id) == (True, first.data[0].id, first.data[2].id)


def test_a_list_can_be_of_one_purpose(sdk, shelf):
    found = sdk.all(shelf.files.list(purpose="user_data", limit=200, order="asc"))

    assert [file.filename for file in found] == [f"{number}.jsonl" for number in range(1, 1000, 2)]
    assert {file.purpose for file in found} == {"user_data"}
    assert sdk.all(shelf.files.list(purpose="vision")) == []


def test_a_deleted_file_is_gone(sdk, client):
    made = sdk.run(client.files.create(file=("a.txt", CONTENT), purpose="user_data"))

    deleted = sdk.run(client.files.delete(made.id))

    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "file", True)
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            sdk.run(call(made.id))


def test_the_files_of_another_key_do_not_exist(sdk, client, shelf):
    (foreign,) = sdk.run(shelf.files.list(limit=1)).data

    with pytest.raises(openai.NotFoundError) as caught:
        sdk.run(client.files.retrieve(foreign.id))

    assert (caught.value.param, caught.value.code) == ("id", None)
    assert foreign.id not in {file.id for file in sdk.all(client.files.list())}


def test_the_request_id_is_on_the_object_and_in_the_raw_response(sdk, client):
    made = sdk.run(client.files.create(file=("a.txt", CONTENT), purpose="user_data"))
    raw = sdk.run(client.files.with_raw_response.retrieve(made.id))

    assert made._request_id.startswith("req_")
    assert (raw.status_code, raw.headers["content-type"]) == (200, "application/json")
    assert raw.request_id == raw.headers["x-request-id"] != made._request_id
    assert raw.parse() == made
