"""The tables refuse rows that cannot be."""

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from headrace.clock import now
from headrace.store.tables import attempts, batches, jobs

pytest_plugins = ["tests.databases"]

ENDED = {"finished_at": now()}
LEASED = {"lease_token": "token", "worker_id": "worker-1"}


@pytest.mark.parametrize(
    ("constraint", "row"),
    [
        ("job_state", {"state": "sleeping"}),
        ("job_finished", {"state": "succeeded"}),
        ("job_finished", {"state": "expired"}),
        ("job_finished", {"state": "queued", **ENDED}),
        ("job_finished", {"state": "running", **LEASED, **ENDED}),
        ("job_finished", {"state": "held", **ENDED}),
        ("job_lease", {"state": "running", "worker_id": "worker-1"}),
        ("job_lease", {"state": "queued", "lease_token": "token"}),
        ("job_lease", {"state": "failed", "lease_token": "token", **ENDED}),
        ("job_worker", {"state": "running", "lease_token": "token"}),
        ("job_worker", {"state": "held", "worker_id": "worker-1"}),
        ("job_attempts", {"attempts": 4, "calls": 4}),
        ("job_attempts", {"attempts": -1}),
        ("job_calls", {"attempts": 2, "calls": 1}),
        ("job_result", {"state": "queued", "result_no": 1}),
    ],
)
def test_an_impossible_job_is_refused(store, constraint, row):
    (job_id,) = store.inline(max_attempts=3)

    with pytest.raises(IntegrityError, match=constraint):
        store.set_job(job_id, **row)


@pytest.mark.parametrize(
    "row",
    [
        {"state": "running", **LEASED},
        {"state": "blocked"},
        {"state": "held", "attempts": 3, "calls": 5},
        {"state": "succeeded", **ENDED},
        {"state": "cancelled", "result_no": 1, **ENDED},
    ],
)
def test_a_possible_job_is_not(store, row):
    (job_id,) = store.inline(max_attempts=3)

    store.set_job(job_id, **row)

    assert store.job(job_id).state == row["state"]


@pytest.mark.parametrize(
    ("constraint", "row"),
    [
        ("batch_status", {"status": "paused"}),
        ("batch_ingested", {"ingested": 3}),
        ("batch_counts", {"succeeded": 3}),
        ("batch_counts", {"succeeded": 1, "failed": 1, "cancelled": 1}),
        ("batch_counts", {"expired": 2, "cancelled": 1}),
    ],
)
def test_an_impossible_batch_is_refused(store, constraint, row):
    batch_id = store.batch(lines=2)

    with pytest.raises(IntegrityError, match=constraint):
        store.set_batch(batch_id, **row)


@pytest.mark.parametrize(
    ("constraint", "row"),
    [
        ("attempt_outcome", {"outcome": "lost", "landed_at": now()}),
        ("attempt_landed", {"outcome": "succeeded"}),
        ("attempt_landed", {"outcome": "open", "landed_at": now()}),
    ],
)
def test_an_impossible_attempt_is_refused(store, constraint, row):
    store.inline()
    (flight,) = store.fly()

    with pytest.raises(IntegrityError, match=constraint), store.db.begin() as session:
        session.execute(update(attempts).where(attempts.c.id == flight.attempt_id).values(row))


def test_two_results_of_a_batch_cannot_have_one_number(store):
    first, second = store.jobs(store.batch(lines=2))
    store.set_job(first.id, state="failed", result_no=1, **ENDED)

    with pytest.raises(IntegrityError):
        store.set_job(second.id, state="failed", result_no=1, **ENDED)


def test_two_jobs_of_a_batch_cannot_be_one_line(store):
    _, second = store.jobs(store.batch(lines=2))

    with pytest.raises(IntegrityError):
        store.set_job(second.id, line=1)


def test_two_attempts_of_a_job_cannot_have_one_number(store):
    store.inline()
    (flight,) = store.fly()
    twin = {"id": "att_twin", "job_id": flight.claim.job_id, "number": 1, "worker_id": "w"}

    with pytest.raises(IntegrityError), store.db.begin() as session:
        session.execute(insert(attempts).values(**twin, departed_at=now()))


@pytest.mark.parametrize(
    ("table", "column"),
    [(jobs, "batch_id"), (jobs, "api_key_id"), (batches, "api_key_id"), (attempts, "job_id")],
)
def test_a_row_refers_to_rows_that_are_there(store, table, column):
    store.batch()
    store.fly()

    with pytest.raises(IntegrityError), store.db.begin() as session:
        session.execute(update(table).values({column: 404 if column == "job_id" else "nobody"}))
