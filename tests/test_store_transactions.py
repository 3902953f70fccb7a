"""The unit of work: all of it or nothing, writers in turn, readers waiting for nobody."""

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, StatementError

from headrace.db import Database
from headrace.errors import ConfigurationError
from headrace.migrations import is_current
from headrace.store import batches, jobs, landings
from tests.scene import LANE, WORKER, failed, new_job, ping, retried, succeeded

pytest_plugins = ["tests.databases"]


class PowerCut(Exception):
    pass


def everything(store):
    """All rows that a verb can change."""
    rows = store.jobs()
    batch_ids = sorted({row.batch_id for row in rows if row.batch_id})
    return (
        rows,
        [store.batch_row(batch_id) for batch_id in batch_ids],
        [store.attempts(row.id) for row in rows],
    )


def test_a_unit_of_work_that_fails_leaves_nothing(store):
    with suppress(PowerCut), store.db.begin() as session:
        jobs.submit_inline(session, [new_job(1)], api_key_id=store.key_id, max_attempts=1)
        raise PowerCut

    assert store.jobs() == []


def test_a_landing_that_fails_half_way_leaves_nothing_half(store):
    store.batch(lines=2)
    other = store.batch(lines=1)
    a, b, c = store.fly()
    before = everything(store)

    no_time: Any = "not a time"
    with pytest.raises((StatementError, TypeError)):
        store.land(succeeded(a), failed(c), retried(b, no_time))
    assert everything(store) == before

    with suppress(PowerCut), store.db.begin() as session:
        landings.land(session, [succeeded(a), retried(b), succeeded(c)])
        raise PowerCut
    assert everything(store) == before

    assert store.land(succeeded(a), retried(b), succeeded(c)) == [other]


def test_a_departure_that_fails_leaves_no_attempt(store):
    store.inline(2)
    first, second = store.claim()
    before = everything(store)

    with pytest.raises(IntegrityError), store.db.begin() as session:
        jobs.depart(session, [jobs.Departure(first, "att_1", 1), jobs.Departure(second, "att_1", 1)], WORKER)

    assert everything(store) == before


def test_a_claim_that_is_not_committed_never_was(store):
    store.inline()
    with suppress(PowerCut), store.db.begin() as session:
        assert len(jobs.claim(session, LANE, 10, WORKER)) == 1
        raise PowerCut

    assert len(store.claim()) == 1


def test_a_reader_waits_for_no_writer_and_sees_only_what_is_committed(store):
    batch_id = store.batch()
    (flight,) = store.fly()
    with store.db.begin() as session:
        landings.land(session, [succeeded(flight)])

        assert store.batch_row(batch_id).succeeded == 0
        ping(store.db)
        assert is_current(store.db.engine)

    assert store.batch_row(batch_id).succeeded == 1


def test_what_was_read_can_be_used_when_the_session_is_over(store):
    batch_id = store.batch()
    with store.db.begin() as session:
        batch = batches.lock(session, batch_id)

    assert batch.total == 1


def test_a_locked_batch_is_read_anew(store):
    batch_id = store.batch()
    with store.db.begin() as session:
        before = batches.get(session, batch_id)
        assert before is not None
        assert before.notice is None
        batches.add(session, batch_id, batches.Tally(notice="changed"))
        assert batches.lock(session, batch_id).notice == "changed"


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_a_database_we_cannot_use_is_refused_with_the_settings_name(url):
    with pytest.raises(ConfigurationError, match="HEADRACE_DATABASE_URL"):
        Database(url)


def test_the_folder_of_a_new_database_is_made(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'new' / 'folder' / 'test.db'}")
    ping(db)
    db.close()

    assert (tmp_path / "new" / "folder" / "test.db").exists()


def test_sqlite_is_durable_and_new_enough(sqlite_store):
    with sqlite_store.read() as session:
        connection = session.connection()
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        assert tuple(map(int, version.split("."))) >= (3, 51, 3)
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
