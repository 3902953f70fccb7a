"""Rows of files: owned, listed page by page, and not deleted under a batch that reads them."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from headrace.clock import now
from headrace.ids import MILLISECOND, new_id, time_of
from headrace.models import File
from headrace.states import BatchStatus
from headrace.store import files, tables
from tests.plans import plans_of

pytest_plugins = ["tests.databases"]

SECOND = timedelta(seconds=1)


def new_file(store, purpose="batch", **values):
    values = {"id": new_id("file-"), **values}
    file = File(api_key_id=store.key_id, purpose=purpose, filename="a.jsonl", bytes=1, **values)
    with store.db.begin() as session:
        files.add(session, file)
    return file.id


def page(store, *, key_id=None, after=None, limit=100, newest_first=True, purpose=None):
    with store.db.read() as session:
        return [
            file.id
            for file in files.list_page(
                session,
                key_id or store.key_id,
                after=after,
                limit=limit,
                newest_first=newest_first,
                purpose=purpose,
            )
        ]


def test_files_are_listed_in_either_order_page_by_page(store):
    made = [new_file(store) for _ in range(5)]
    newest_first = made[::-1]

    assert page(store) == newest_first
    assert page(store, limit=2) + page(store, limit=9, after=newest_first[1]) == newest_first
    assert page(store, newest_first=False, limit=2) == made[:2]
    assert page(store, newest_first=False, after=made[1]) == made[2:]
    assert page(store, after=made[0]) == []


def test_the_order_is_that_of_the_times_and_not_of_the_ids(store):
    late_id = new_id("file-")
    began = now()
    made = [
        new_file(store, id=file_id, created_at=began + seconds * SECOND)
        for seconds, file_id in enumerate([new_id("file-"), late_id, new_id("file-"), new_id("file-")])
    ]

    assert page(store) == made[::-1]
    for place, file_id in enumerate(made):
        assert page(store, newest_first=False, after=file_id) == made[place + 1 :]
        assert page(store, after=file_id) == made[:place][::-1]


def test_files_of_one_moment_come_page_by_page_each_once(store):
    at = now()
    made = sorted(new_file(store, created_at=at) for _ in range(5))

    first = page(store, newest_first=False, limit=2)
    assert first + page(store, newest_first=False, after=first[-1]) == made
    first = page(store, limit=3)
    assert first + page(store, after=first[-1]) == made[::-1]


def test_behind_a_file_that_is_gone_the_list_goes_on_from_the_time_in_its_id(store):
    gone = new_id("file-")
    at = time_of(gone, "file-")
    before, with_it, behind = (new_file(store, created_at=at + n * MILLISECOND) for n in (-1, 0.5, 1))

    assert page(store, newest_first=False, after=gone) == [with_it, behind]
    assert page(store, after=gone) == [with_it, before]


def test_behind_a_gone_file_of_a_batch_the_list_goes_on_from_when_the_batch_ended(store):
    batch_id = store.new_batch()
    output, errors = (f"file-{batch_id.removeprefix('batch_')}{kind}" for kind in "oe")
    at = now() + 60 * SECOND
    store.set_batch(batch_id, status="completed", completed_at=at)
    before = new_file(store, created_at=at - SECOND)
    new_file(store, id=errors, created_at=at)
    behind = new_file(store, created_at=at + SECOND)

    assert page(store, newest_first=False, after=output) == [behind]
    assert page(store, after=output) == [errors, before]


def test_the_file_behind_which_a_list_goes_on_may_be_one_whose_time_is_over(store):
    at = now() - timedelta(hours=1)
    first, over, last = (
        new_file(store, created_at=at + n * SECOND, expires_at=at - SECOND if n == 1 else None)
        for n in (0, 1, 2)
    )

    assert page(store, newest_first=False, after=over) == [last]
    assert page(store, after=over) == [first]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_costs_the_same_however_many_files_there_are(store, newest_first):
    ids = fill(store, 10_000)

    *_, steps = plans_of(
        store.db, "files", lambda: page(store, after=ids[5000], limit=20, newest_first=newest_first)
    )

    shown = "\n".join(steps)
    assert "files_listed" in shown
    assert "sort" not in shown.lower()
    assert "temp b-tree" not in shown.lower()
    assert "seq scan" not in shown.lower()
    if store.db.engine.dialect.name == "sqlite":
        assert "(api_key_id=? AND (created_at,id)" in shown


def fill(store, count):
    """Files a second apart from each other: their ids, the oldest first."""
    began = now()
    ids = sorted(new_id("file-") for _ in range(count))
    rest = {"api_key_id": store.key_id, "purpose": "batch", "filename": "a", "bytes": 1, "expires_at": None}
    with store.db.begin() as session:
        made = [{"id": ids[n], "created_at": began + n * SECOND, **rest} for n in range(count)]
        session.execute(insert(tables.files), made)
        session.execute(text("ANALYZE files"))
    return ids


def test_files_are_listed_by_purpose(store):
    wanted = new_file(store, purpose="batch_output")
    new_file(store)

    assert page(store, purpose="batch_output") == [wanted]


def test_expired_files_are_not_listed(store):
    new_file(store, expires_at=now() - timedelta(seconds=1))
    alive = new_file(store, expires_at=now() + timedelta(minutes=1))

    assert page(store) == [alive]


def test_a_file_is_its_keys_alone(store):
    file_id = new_file(store)

    with store.db.read() as session:
        assert files.get(session, store.key_id, file_id) is not None
        assert files.get(session, "key_other", file_id) is None
    assert page(store, key_id="key_other") == []


@pytest.mark.parametrize("status", BatchStatus)
def test_a_batch_reads_its_input_until_it_is_final(store, status):
    file_id = new_file(store)
    batch_id = store.new_batch()
    store.set_batch(batch_id, input_file_id=file_id, status=status)
    final = status in {"failed", "completed", "expired", "cancelled"}

    with store.db.read() as session:
        assert files.unfinished_batch_of(session, store.key_id, file_id) == (None if final else batch_id)
        assert files.unfinished_batch_of(session, store.key_id, "file-other") is None
        assert files.unfinished_batch_of(session, "key_other", file_id) is None


def test_a_deleted_file_is_gone(store):
    file_id = new_file(store)
    with store.db.begin() as session:
        file = files.get(session, store.key_id, file_id)
        assert file is not None
        files.delete(session, file)

    assert page(store) == []
