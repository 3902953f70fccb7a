"""A batch from validation to its files: what is to be ingested, emptied, closed, and finished once."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from headrace.clock import now
from headrace.models import File
from headrace.states import BatchStatus, JobState
from headrace.store import batches, files
from tests.scene import succeeded

pytest_plugins = ["tests.databases"]


def listed(store, question, *arguments):
    with store.db.read() as session:
        return question(session, *arguments)


def test_a_new_batch_is_to_be_ingested_until_every_line_is_a_row(store):
    batch_id = store.new_batch()
    assert listed(store, batches.to_ingest) == [batch_id]
    assert listed(store, batches.to_close) == []

    with store.db.begin() as session:
        assert batches.begin(session, batch_id, total=3, model="small-model")
    store.ingest(batch_id, [1, 2])
    assert listed(store, batches.to_ingest) == [batch_id]
    assert listed(store, batches.to_close) == []

    store.ingest(batch_id, [3])
    assert listed(store, batches.to_ingest) == []
    assert listed(store, batches.to_close) == [], "its jobs are not final"
    batch = store.batch_row(batch_id)
    assert (batch.status, batch.total, batch.ingested) == (BatchStatus.IN_PROGRESS, 3, 3)
    assert (batch.ingest_offset, batch.model) == (300, "small-model")
    assert batch.in_progress_at is not None


def test_a_batch_with_faults_fails_and_nothing_runs(store):
    batch_id = store.new_batch()
    faults = [{"code": "invalid_json_line", "message": "不是", "param": None, "line": 2}]
    with store.db.begin() as session:
        batches.fail(session, batch_id, faults)

    batch = store.batch_row(batch_id)
    assert (batch.status, batch.errors) == (BatchStatus.FAILED, faults)
    assert batch.failed_at is not None
    assert listed(store, batches.to_ingest) == listed(store, batches.to_close) == []


def test_a_batch_begins_once(store):
    batch_id = store.new_batch()
    with store.db.begin() as session:
        assert batches.begin(session, batch_id, total=3, model=None)
        assert not batches.begin(session, batch_id, total=4, model=None)

    assert store.batch_row(batch_id).total == 3


def test_a_batch_cancelled_while_it_is_validated_neither_begins_nor_fails(store):
    batch_id = store.new_batch()
    assert store.cancel_batch(batch_id)

    with store.db.begin() as session:
        assert not batches.begin(session, batch_id, total=3, model=None)
        batches.fail(session, batch_id, [])

    assert store.batch_row(batch_id).status == BatchStatus.CANCELLING
    assert store.close(batch_id) == [batch_id]
    assert store.finish(batch_id, BatchStatus.CANCELLED)
    assert listed(store, batches.to_ingest) == []


def test_the_lines_of_a_batch_cancelled_during_its_ingest_all_become_rows_and_end(store):
    batch_id = store.new_batch()
    with store.db.begin() as session:
        batches.begin(session, batch_id, total=2, model=None)
    store.ingest(batch_id, [1])
    store.cancel_batch(batch_id)
    store.end_waiting(batch_id, JobState.CANCELLED)
    assert listed(store, batches.to_ingest) == [batch_id]
    assert store.close(batch_id) == []

    store.ingest(batch_id, [2])

    assert listed(store, batches.to_ingest) == []
    assert listed(store, batches.to_empty, now()) == {batch_id: JobState.CANCELLED}
    store.end_waiting(batch_id, JobState.CANCELLED)
    assert store.close(batch_id) == [batch_id]


def test_a_slice_that_comes_twice_is_refused_whole(store):
    batch_id = store.batch(lines=3)
    store.set_batch(batch_id, total=10)

    with pytest.raises(IntegrityError):
        store.ingest(batch_id, [4, 5, 3])

    assert store.batch_row(batch_id).ingested == 3
    assert [job.line for job in store.jobs(batch_id)] == [1, 2, 3]


def test_jobs_may_run_and_end_while_the_ingest_goes_on(store):
    batch_id = store.new_batch()
    with store.db.begin() as session:
        batches.begin(session, batch_id, total=2, model=None)
    store.ingest(batch_id, [1])

    assert store.land(*map(succeeded, store.fly())) == []
    assert store.close(batch_id) == []
    store.ingest(batch_id, [2])
    assert store.land(*map(succeeded, store.fly())) == [batch_id]


def test_batches_are_emptied_when_cancelled_or_past_their_window(store):
    cancelled, overdue, both = store.batch(), store.batch(), store.batch()
    store.batch()
    past = now() - timedelta(seconds=1)
    for batch_id in (overdue, both):
        store.set_batch(batch_id, expires_at=past)
    for batch_id in (cancelled, both):
        store.cancel_batch(batch_id)

    assert listed(store, batches.to_empty, now()) == {
        cancelled: JobState.CANCELLED,
        overdue: JobState.EXPIRED,
        both: JobState.CANCELLED,
    }
    assert overdue not in listed(store, batches.to_empty, past - timedelta(seconds=1))


def test_only_batches_whose_jobs_are_all_final_close(store):
    done, running = store.batch(), store.batch(lines=2)
    store.land(*map(succeeded, store.fly(2)))

    assert store.close(done, running) == [done]
    assert store.batch_row(running).status == BatchStatus.IN_PROGRESS
    since = store.batch_row(done).finalizing_at

    assert store.close(done, running) == [done], "until its files are there, it is found again"
    assert store.batch_row(done).finalizing_at == since


@pytest.mark.parametrize(
    ("status", "ended_at"),
    [
        (BatchStatus.COMPLETED, "completed_at"),
        (BatchStatus.EXPIRED, "expired_at"),
        (BatchStatus.CANCELLED, "cancelled_at"),
    ],
)
def test_a_batch_is_finished_once_with_its_files(store, status, ended_at):
    batch_id = store.batch()
    store.set_batch(batch_id, notice="all is slow")
    assert not store.finish(batch_id, status), "its jobs have not ended"
    store.land(*map(succeeded, store.fly()))

    with store.db.begin() as session:
        assert batches.finish(session, batch_id, status, output(store, "file-a"), None)
    with store.db.begin() as session:
        assert not batches.finish(session, batch_id, BatchStatus.COMPLETED, output(store, "file-b"), None)

    batch = store.batch_row(batch_id)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == (status, "file-a", None)
    assert getattr(batch, ended_at) is not None
    assert batch.notice is None
    assert listed(store, files.get, store.key_id, "file-a").purpose == "batch_output"
    assert listed(store, files.get, store.key_id, "file-b") is None
    assert listed(store, batches.to_close) == store.close(batch_id) == []


def output(store, file_id):
    return File(
        id=file_id, api_key_id=store.key_id, purpose="batch_output", filename="out.jsonl", bytes=2**40
    )
