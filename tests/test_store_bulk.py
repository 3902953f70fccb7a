"""Many rows at once: with their defaults, all or none, and with errors that are as any other statement's."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from headrace.store import jobs
from tests.scene import new_job

pytest_plugins = ["tests.databases"]

AWKWARD = '{"model":"m","messages":[{"content":"tab\\t, \\\\N, \\\\., \\u0000, 你好\u2028\'"}]}'
CONTROLS = "\\N \\. \\\t \t \n \r \b \f \v \x7f"


def submitted(store, batch_id, *new):
    with store.db.begin() as session:
        jobs.submit(session, new, api_key_id=store.key_id, batch_id=batch_id, max_attempts=3, priority=7)


def test_every_column_of_a_job_is_what_it_is_when_it_comes_alone(store):
    batch_id = store.new_batch()
    submitted(store, batch_id, new_job(1)._replace(custom_id=None, completion_cap=None))
    with store.db.begin() as session:
        jobs.submit_inline(session, [new_job(1)], api_key_id=store.key_id, max_attempts=3)

    many, alone = store.jobs()

    own = {"id", "batch_id", "custom_id", "completion_cap", "priority", "run_at", "created_at"}
    assert many.model_dump(exclude=own) == alone.model_dump(exclude=own)
    assert (many.custom_id, many.completion_cap, many.priority) == (None, None, 7)
    assert many.run_at == many.created_at <= alone.created_at


def test_texts_come_back_as_they_went_in(store):
    submitted(store, batch_id := store.new_batch(), new_job(1)._replace(body=AWKWARD, custom_id=CONTROLS))

    (job,) = store.jobs(batch_id)

    assert (job.body, job.custom_id) == (AWKWARD, CONTROLS)


def test_no_rows_are_none(store):
    submitted(store, batch_id := store.new_batch())

    assert store.jobs(batch_id) == []


def test_one_row_that_is_refused_takes_all_with_it(store):
    batch_id = store.new_batch()

    with pytest.raises(IntegrityError):
        submitted(store, batch_id, new_job(1), new_job(2), new_job(1))
    with pytest.raises(IntegrityError):
        submitted(store, "batch_nobodys", new_job(1))

    assert store.jobs() == []


def test_an_error_does_not_quote_a_row(store):
    with pytest.raises(IntegrityError) as raised:
        submitted(store, store.new_batch(), *[new_job(1)._replace(body='{"a":"secret"}')] * 2)

    assert "secret" not in str(raised.value)


def test_what_postgresql_cannot_store_is_an_error_of_the_data(postgresql):
    batch_id = postgresql.new_batch()

    with pytest.raises(DataError):
        submitted(postgresql, batch_id, new_job(1)._replace(body="a\0b"))


def test_a_connection_that_is_lost_meanwhile_is_an_operational_error(postgresql):
    batch_id = postgresql.new_batch()

    def rows_until_it_is_lost(pid):
        yield new_job(1)
        with postgresql.db.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
        yield new_job(2)

    def submit():
        with postgresql.db.begin() as session:
            pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            rows = rows_until_it_is_lost(pid)
            options = {"api_key_id": postgresql.key_id, "batch_id": batch_id, "max_attempts": 3}
            jobs.submit(session, rows, **options)

    with pytest.raises(OperationalError):
        submit()

    submitted(postgresql, batch_id, new_job(1))
    assert [job.line for job in postgresql.jobs(batch_id)] == [1]
