"""Requests for one upload that come at once: one of them ends it, and the others see how it ended."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from headrace.ids import new_id
from headrace.models import File
from headrace.store import files as stored
from headrace.store import uploads
from tests.api_server import DEADLINE_SECONDS, refusal, wait_until
from tests.uploading import LINES, begun, cancel, complete, content, names, part_of
from worker.pruning import Pruning

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

HALVES = (LINES[:9], LINES[9:])


@pytest.fixture
def halves(api):
    """An upload and its two parts."""
    upload_id = begun(api, purpose="user_data")
    return upload_id, [part_of(api, upload_id, half) for half in HALVES]


@contextmanager
def assembled(api, store, upload_id, *orders):
    """Completions of these parts, all of which have written a file; they cannot end before the block does.

    It has the session that holds them up, the upload, and their answers that will be.
    """
    with ThreadPoolExecutor(len(orders)) as pool:
        with store.db.begin() as session:
            upload = uploads.lock(session, store.key_id, upload_id)
            answers = [pool.submit(complete, api, upload_id, order) for order in orders]
            wait_until(lambda: len(files(api)) == len(orders), "the files to be written")
            yield session, upload, answers
        for answer in answers:
            answer.result(DEADLINE_SECONDS)


def files(api):
    return {name for name in names(api) if name.startswith("file-") and not name.endswith(".part")}


def test_two_completions_at_once_make_one_file_and_have_the_same_answer(api, store, halves):
    upload_id, parts = halves
    with assembled(api, store, upload_id, parts, parts) as (_, _, answers):
        pass

    first, second = (answer.result() for answer in answers)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert names(api) == {first.json()["file"]["id"]}
    assert [file["id"] for file in api.call("GET", "/v1/files").json()["data"]] == list(names(api))


def test_the_file_comes_behind_those_that_came_while_it_was_assembled(api, store, halves):
    upload_id, parts = halves
    seen = new_id("file-")
    with assembled(api, store, upload_id, parts) as (session, _, answers):
        file = File(id=seen, api_key_id=store.key_id, purpose="user_data", filename="a", bytes=1)
        stored.add(session, file)

    made = answers[0].result().json()["file"]["id"]
    assert [file.id for file in api.sdk().files.list()] == [made, seen]
    assert [file.id for file in api.sdk().files.list(order="asc", after=seen)] == [made]


def test_of_two_completions_with_other_parts_one_is_refused(api, store, halves):
    upload_id, parts = halves
    with assembled(api, store, upload_id, parts, parts[::-1]) as (_, _, answers):
        pass

    first, second = sorted((answer.result() for answer in answers), key=lambda answer: answer.status_code)
    assert (first.status_code, second.status_code) == (200, 400)
    assert refusal(second)["param"] == "part_ids"
    assert names(api) == {first.json()["file"]["id"]}
    assert content(api, first.json()["file"]["id"]) in (b"".join(HALVES), b"".join(HALVES[::-1]))


def test_a_completion_that_is_overtaken_by_a_cancellation_leaves_no_file(api, store, halves):
    upload_id, parts = halves
    with assembled(api, store, upload_id, parts) as (session, upload, answers):
        uploads.cancel(session, upload)

    (refused,) = (answer.result() for answer in answers)
    assert refused.status_code == 400
    assert "is cancelled" in refusal(refused)["message"]
    assert names(api) == set(parts)
    Pruning(store.db, api.settings.files_dir).prune()
    assert names(api) == set()


def test_a_completion_whose_parts_go_while_it_reads_them_says_how_the_upload_ended(api, halves):
    """The first part is a pipe here, which is read when the test writes to it."""
    upload_id, parts = halves
    first = next(path for path in api.stored() if path.name == parts[0])
    first.unlink()
    os.mkfifo(first)
    with ThreadPoolExecutor() as pool:
        with first.open("r+b", buffering=0) as pipe:
            answer = pool.submit(complete, api, upload_id, parts)
            wait_until(lambda: len(api.stored()) == 3, "the file to be begun")
            assert cancel(api, upload_id).status_code == 200
            pipe.write(HALVES[0])
        refused = answer.result(DEADLINE_SECONDS)

    assert refused.status_code == 400
    assert "is cancelled" in refusal(refused)["message"]
    assert names(api) == set()


def test_many_completions_at_once_and_one_after_another_have_one_answer(api, halves):
    """Some of them find that parts which they are to read are gone."""
    upload_id, parts = halves
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: complete(api, upload_id, parts), range(24)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert names(api) == {answers[0].json()["file"]["id"]}
