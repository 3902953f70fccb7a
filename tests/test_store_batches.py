"""Batches: counted, numbered, cancelled, overdue, listed."""

from datetime import timedelta

import pytest

from headrace.clock import now
from headrace.ids import new_id
from headrace.models import ApiKey, Batch
from headrace.states import BatchStatus, JobState
from headrace.store import batches, reading
from tests.scene import DAY, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]


def results(store, batch_id, *, after=0, limit=1000):
    with store.db.read() as session:
        return reading.results(session, batch_id, after=after, limit=limit)


def counts(store, batch_id):
    batch = store.batch_row(batch_id)
    return batch.succeeded, batch.failed, batch.cancelled, batch.expired


def test_results_are_numbered_without_gaps_in_the_order_of_their_ends(store):
    batch_id = store.batch(lines=6)
    a, b, c, d = store.fly(4)
    e, f = [job.id for job in store.jobs(batch_id)][4:]

    store.land(succeeded(c))
    store.cancel(f)
    store.land(succeeded(a), failed(d))
    store.end_waiting(batch_id, JobState.EXPIRED)
    store.land(succeeded(b))

    ended = [row.id for row in results(store, batch_id)]
    assert ended == [c.claim.job_id, f, a.claim.job_id, d.claim.job_id, e, b.claim.job_id]
    assert [row.result_no for row in results(store, batch_id)] == [1, 2, 3, 4, 5, 6]
    assert counts(store, batch_id) == (3, 1, 1, 1)


def test_results_are_read_page_by_page(store):
    batch_id = store.batch(lines=5)
    store.land(*map(succeeded, store.fly(4)))

    assert [row.result_no for row in results(store, batch_id, limit=3)] == [1, 2, 3]
    assert [row.result_no for row in results(store, batch_id, after=3, limit=3)] == [4]
    assert results(store, batch_id, after=4) == []


def test_a_cancelled_batch_stops_departures_and_keeps_what_is_paid(store):
    batch_id = store.batch(lines=5)
    (finished, flying, failing, _claimed) = claims = store.claim(4)
    finished, flying, failing = store.depart(claims[:3])
    store.land(succeeded(finished))

    assert store.cancel_batch(batch_id)

    assert store.depart([_claimed]) == []
    assert store.end_waiting(batch_id, JobState.CANCELLED) == 1
    store.land(succeeded(flying))
    assert store.land(retried(failing)) == [batch_id]
    assert counts(store, batch_id) == (2, 0, 3, 0)
    assert store.batch_row(batch_id).cancelling_at is not None
    assert store.claim() == []


def test_a_batch_is_cancelled_once_and_only_while_it_is_open(store):
    batch_id = store.batch()

    assert store.cancel_batch(batch_id)
    since = store.batch_row(batch_id).cancelling_at
    assert not store.cancel_batch(batch_id)
    assert store.batch_row(batch_id).cancelling_at == since

    ended = store.batch()
    store.land(*map(succeeded, store.fly()))
    assert store.batch_row(ended).status == BatchStatus.FINALIZING
    assert not store.cancel_batch(ended)
    assert not store.cancel_batch("batch_unknown")


@pytest.mark.parametrize("end", [retried, snoozed])
def test_an_overdue_job_goes_back_and_is_expired_by_the_sweep(store, end):
    batch_id = store.batch(lines=2)
    first, second = store.fly()
    store.set_batch(batch_id, expires_at=now() - timedelta(seconds=1))

    store.land(end(first))
    with store.db.read() as session:
        assert batches.to_empty(session, now()) == {batch_id: JobState.EXPIRED}
    assert store.end_waiting(batch_id, JobState.EXPIRED) == 1
    assert store.land(succeeded(second)) == [batch_id]

    assert counts(store, batch_id) == (1, 0, 0, 1)
    job = store.job(first.claim.job_id)
    assert (job.state, job.error_code, job.status_code) == (JobState.EXPIRED, "batch_expired", None)


def test_waiting_jobs_end_a_bounded_number_at_a_time(store):
    batch_id = store.batch(lines=5)
    others = store.batch(lines=1)

    assert [store.end_waiting(batch_id, JobState.CANCELLED, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    assert counts(store, batch_id) == (0, 0, 5, 0)
    assert counts(store, others) == (0, 0, 0, 0)


@pytest.mark.parametrize("state", ["queued", "blocked", "held"])
@pytest.mark.parametrize("ending", [JobState.CANCELLED, JobState.EXPIRED])
def test_every_kind_of_waiting_ends_with_the_batch(store, state, ending):
    batch_id = store.batch()
    (job,) = store.jobs(batch_id)
    store.set_job(job.id, state=state)

    assert store.end_waiting(batch_id, ending) == 1

    assert store.job(job.id).state == ending


def test_a_batch_is_its_keys_alone(store):
    batch_id = store.batch()

    with store.db.read() as session:
        assert batches.get(session, batch_id, store.key_id) is not None
        assert batches.get(session, batch_id, "key_other") is None
        assert batches.list_page(session, "key_other", after=None, limit=10) == []


def test_batches_are_listed_newest_first_page_by_page(store):
    made = [store.new_batch() for _ in range(5)]
    newest_first = sorted(made, reverse=True)

    with store.db.read() as session:
        first = batches.list_page(session, store.key_id, after=None, limit=3)
        rest = batches.list_page(session, store.key_id, after=first[-1].id, limit=3)

    assert [batch.id for batch in first + rest] == newest_first


def test_a_batch_comes_back_as_it_was_made(store):
    with store.db.begin() as session:
        session.add(ApiKey(id="key_2", name="two", prefix="hr-2", sha256="2"))
        session.flush()
        made = Batch(
            id=new_id("batch_"),
            api_key_id="key_2",
            endpoint="/v1/embeddings",
            input_file_id="file-1",
            completion_window="24h",
            details={"who": "谁", "why": ""},
            expires_at=now() + DAY,
        )
        batches.create(session, made)

    read = store.batch_row(made.id)
    assert read.model_dump() == made.model_dump()
    assert read.details == {"who": "谁", "why": ""}
    assert read.expires_at.utcoffset() == timedelta(0)
