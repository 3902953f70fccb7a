"""Rows of files: owned, listed page by page, and not deleted under a batch that reads them."""

from datetime import timedelta

import pytest

from headrace.clock import now
from headrace.ids import new_id
from headrace.models import File
from headrace.states import BatchStatus
from headrace.store import files

pytest_plugins = ["tests.databases"]


def new_file(store, purpose="batch", **values):
    file = File(
        id=new_id("file-"), api_key_id=store.key_id, purpose=purpose, filename="a.jsonl", bytes=1, **values
    )
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
    made = sorted(new_file(store) for _ in range(5))
    newest_first = made[::-1]

    assert page(store) == newest_first
    assert page(store, limit=2) + page(store, limit=9, after=newest_first[1]) == newest_first
    assert page(store, newest_first=False, limit=2) == made[:2]
    assert page(store, newest_first=False, after=made[1]) == made[2:]
    assert page(store, after=made[0]) == []


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
