"""A batch that is done gets its files (contract 3.2 and 3.3), whole or not at all."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from headrace.clock import now
from headrace.files import path_of
from headrace.ids import new_id
from headrace.models import File
from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import files, tables
from headrace.store.landings import Landing, Verb
from tests.scene import failed, succeeded
from worker.finalise import finalise

pytest_plugins = ["tests.databases"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "files"


def lines_of(folder, file_id):
    with path_of(folder, file_id).open(encoding="utf-8") as file:
        return {line["custom_id"]: line for line in map(json.loads, file)}


def file_row(store, file_id):
    with store.db.read() as session:
        return files.get(session, store.key_id, file_id)


def timed_out(flight):
    claim, words = flight.claim, "No whole answer within 5 s"
    ended = Landing(claim.job_id, claim.token, flight.attempt_id, Verb.FAIL, Outcome.AMBIGUOUS)
    return replace(ended, error_code="timeout", error_message=words)


def mixed(store):
    """Four jobs: two answered, one refused, one without an answer."""
    batch_id = store.batch(lines=4)
    a, b, c, d = store.fly()
    answer = '{"choices": [1],\n "text": "你好\\u0000"}'
    store.land(succeeded(a, answer=answer), failed(b, status_code=422), succeeded(c), timed_out(d))
    return batch_id


def test_each_line_is_in_the_file_where_the_contract_wants_it(store, folder):
    batch_id = mixed(store)

    finalise(batch_id, store.db, folder)

    batch = store.batch_row(batch_id)
    good, bad = lines_of(folder, batch.output_file_id), lines_of(folder, batch.error_file_id)
    assert (set(good), set(bad)) == ({"line-1", "line-3"}, {"line-2", "line-4"})
    ids = {job.custom_id: f"batch_req_{job.id}" for job in store.jobs(batch_id)}
    assert good["line-1"] == {
        "id": ids["line-1"],
        "custom_id": "line-1",
        "response": {"status_code": 200, "request_id": "", "body": {"choices": [1], "text": "你好\0"}},
        "error": None,
    }
    assert bad["line-2"] == {
        "id": ids["line-2"],
        "custom_id": "line-2",
        "response": {"status_code": 422, "request_id": "", "body": {"error": {"message": "no"}}},
        "error": None,
    }
    assert bad["line-4"] == {
        "id": ids["line-4"],
        "custom_id": "line-4",
        "response": None,
        "error": {"code": "timeout", "message": "No whole answer within 5 s"},
    }


def test_the_batch_is_completed_and_its_files_are_the_owners(store, folder):
    batch_id = mixed(store)

    finalise(batch_id, store.db, folder)

    batch = store.batch_row(batch_id)
    assert batch.status == BatchStatus.COMPLETED
    assert batch.completed_at is not None
    for file_id, kind in ((batch.output_file_id, "output"), (batch.error_file_id, "error")):
        file = file_row(store, file_id)
        assert (file.purpose, file.filename) == ("batch_output", f"{batch_id}_{kind}.jsonl")
        assert file.bytes == path_of(folder, file_id).stat().st_size > 0
        assert file.expires_at - file.created_at == timedelta(days=30)
        assert abs(now() - file.created_at) < timedelta(minutes=5)


@pytest.mark.parametrize("forgotten", [False, True])
def test_its_files_come_behind_those_that_were_there_before_it_ended(store, folder, forgotten):
    batch_id = mixed(store)
    seen = File(id=new_id("file-"), api_key_id=store.key_id, purpose="batch", filename="a", bytes=1)
    with store.db.begin() as session:
        files.add(session, seen)

    finalise(batch_id, store.db, folder)

    batch = store.batch_row(batch_id)
    made = sorted([batch.output_file_id, batch.error_file_id])
    assert listed(store, seen.id) == made
    if forgotten:
        with store.db.begin() as session:
            session.execute(delete(tables.files).where(tables.files.c.id == made[0]))
    assert listed(store, made[0]) == made[1:]
    assert listed(store, made[0], newest_first=True) == [seen.id]


def listed(store, after, *, newest_first=False):
    with store.db.read() as session:
        how = {"limit": 10, "newest_first": newest_first, "purpose": None}
        return [file.id for file in files.list_page(session, store.key_id, after=after, **how)]


def test_files_expire_as_long_after_their_own_creation_as_the_batch_says(store, folder):
    batch_id = mixed(store)
    store.set_batch(batch_id, output_seconds=3600, created_at=now() - timedelta(hours=5))

    finalise(batch_id, store.db, folder)

    batch = store.batch_row(batch_id)
    for file_id in (batch.output_file_id, batch.error_file_id):
        file = file_row(store, file_id)
        assert file.expires_at - file.created_at == timedelta(hours=1)
        assert file.expires_at > now()


@pytest.mark.parametrize(
    ("end", "has_output", "has_errors"), [(succeeded, True, False), (failed, False, True)]
)
def test_there_is_no_file_without_a_line(store, folder, end, has_output, has_errors):
    batch_id = store.batch(lines=2)
    store.land(*map(end, store.fly()))

    finalise(batch_id, store.db, folder)

    batch = store.batch_row(batch_id)
    assert batch.status == BatchStatus.COMPLETED
    assert (batch.output_file_id is not None, batch.error_file_id is not None) == (has_output, has_errors)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (JobState.EXPIRED, BatchStatus.EXPIRED, "batch_expired"),
        (JobState.CANCELLED, BatchStatus.CANCELLED, "batch_cancelled"),
    ],
)
def test_what_never_ran_is_in_the_error_file(store, folder, state, status, code):
    batch_id = store.batch(lines=3)
    store.land(*map(succeeded, store.fly(1)))
    if state is JobState.CANCELLED:
        store.cancel_batch(batch_id)
    store.end_waiting(batch_id, state)

    finalise(batch_id, store.db, folder)

    batch = store.batch_row(batch_id)
    assert batch.status == status
    assert list(lines_of(folder, batch.output_file_id)) == ["line-1"]
    bad = lines_of(folder, batch.error_file_id)
    assert set(bad) == {"line-2", "line-3"}
    assert {line["error"]["code"] for line in bad.values()} == {code}
    assert {line["response"] for line in bad.values()} == {None}


def test_a_batch_that_is_not_done_is_left_alone(store, folder):
    batch_id = store.batch(lines=2)
    store.land(*map(succeeded, store.fly(1)))

    finalise(batch_id, store.db, folder)
    finalise("batch_unknown", store.db, folder)

    assert store.batch_row(batch_id).status == BatchStatus.IN_PROGRESS
    assert not folder.exists()


def test_results_are_written_page_by_page(store, folder, monkeypatch):
    monkeypatch.setattr("worker.finalise.PAGE", 2)
    batch_id = store.batch(lines=5)
    store.land(*map(succeeded, store.fly()))

    finalise(batch_id, store.db, folder)

    assert len(lines_of(folder, store.batch_row(batch_id).output_file_id)) == 5


def test_finalising_again_after_a_crash_gives_the_same_files(store, folder):
    batch_id = mixed(store)
    finalise(batch_id, store.db, folder)
    before = store.batch_row(batch_id)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    nothing = {"status": BatchStatus.FINALIZING, "completed_at": None}
    store.set_batch(batch_id, output_file_id=None, error_file_id=None, **nothing)  # as if the end of it
    with store.db.begin() as session:  # had not been committed
        session.execute(delete(File))

    finalise(batch_id, store.db, folder)

    after = store.batch_row(batch_id)
    assert (after.status, after.output_file_id) == (BatchStatus.COMPLETED, before.output_file_id)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    assert file_row(store, after.error_file_id)


def test_a_batch_is_finalised_once_however_often_and_by_however_many(store, folder):
    batch_id = mixed(store)
    together = [threading.Thread(target=finalise, args=(batch_id, store.db, folder)) for _ in range(4)]

    for thread in together:
        thread.start()
    for thread in together:
        thread.join(30)
    finished = store.batch_row(batch_id)
    finalise(batch_id, store.db, folder)

    assert store.batch_row(batch_id) == finished
    assert finished.status == BatchStatus.COMPLETED
    assert {path.name for path in folder.iterdir()} == {finished.output_file_id, finished.error_file_id}
    assert len(lines_of(folder, finished.output_file_id)) == 2


def test_a_file_that_cannot_be_finished_is_never_seen(store, folder):
    batch_id = mixed(store)
    with store.db.begin() as session:  # a result that the counts of the batch know nothing of
        wrong = tables.batches.update().where(tables.batches.c.id == batch_id)
        session.execute(wrong.values(succeeded=4, failed=0))

    with pytest.raises(ValueError, match="counts"):
        finalise(batch_id, store.db, folder)

    assert list(folder.iterdir()) == []
    assert store.batch_row(batch_id).output_file_id is None
