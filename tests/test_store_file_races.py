"""A file is deleted, or its time is over, while a batch of it is made: one of the two comes first."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from headrace.clock import now
from headrace.ids import new_id
from headrace.models import Batch, File
from headrace.store import batches, files, tables
from tests.scene import DAY
from tests.simulated import eventually

pytest_plugins = ["tests.databases"]

FILE = "file-raced"
SECONDS = 30.0


@pytest.fixture
def scene(postgresql):
    with postgresql.db.begin() as session:
        file = File(id=FILE, api_key_id=postgresql.key_id, purpose="batch", filename="in.jsonl", bytes=3)
        files.add(session, file)
    return postgresql


def create(scene, session):
    """The id of a new batch of the file."""
    batch = Batch(
        id=new_id("batch_"),
        api_key_id=scene.key_id,
        endpoint="/v1/chat/completions",
        input_file_id=FILE,
        completion_window="24h",
        expires_at=now() + DAY,
    )
    batches.create(session, batch)
    return batch.id


def delete(scene, session):
    """As the API does; a batch that is in the way."""
    file = files.get(session, scene.key_id, FILE)
    using = files.unfinished_batch_of(session, scene.key_id, FILE)
    if using is None and file is not None:
        files.delete(session, file)
        session.flush()
    return using


def expire(_scene, session):
    """As the sweep does; the files that go."""
    session.execute(update(tables.files).values(expires_at=now() - timedelta(seconds=1)))
    return files.expire(session, 10)


def in_another_thread(scene, work):
    """What `work` returns, in the end, in a transaction of its own."""
    came = []

    def run():
        with scene.db.begin() as session:
            came.append(work(scene, session))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def test_a_deletion_waits_for_a_batch_that_is_being_made_and_then_finds_it(scene):
    with scene.db.begin() as session:
        batch_id = create(scene, session)
        thread, came = in_another_thread(scene, delete)
        eventually(lambda: came or waits_for_a_lock(scene), SECONDS)
        assert came == []
    thread.join(SECONDS)

    assert came == [batch_id]
    with scene.db.read() as session:
        assert files.get(session, scene.key_id, FILE)


def test_a_batch_that_is_made_during_a_deletion_begins_when_the_file_is_gone(scene):
    with scene.db.begin() as session:
        assert delete(scene, session) is None
        thread, came = in_another_thread(scene, create)
        eventually(lambda: came or waits_for_a_lock(scene), SECONDS)
        assert came == []
    thread.join(SECONDS)

    (batch_id,) = came
    with scene.db.read() as session:
        assert files.get(session, scene.key_id, FILE) is None
    assert scene.batch_row(batch_id).input_file_id == FILE


def test_the_sweep_leaves_a_file_alone_of_which_a_batch_is_being_made(scene):
    with scene.db.begin() as session:
        session.execute(update(tables.files).values(expires_at=now() - timedelta(seconds=1)))
    with scene.db.begin() as session:
        create(scene, session)
        thread, came = in_another_thread(scene, lambda _, session: files.expire(session, 10))
        thread.join(SECONDS)
        assert came == [[]]

    with scene.db.begin() as session:
        assert files.expire(session, 10) == []


def test_a_batch_that_is_made_while_the_sweep_forgets_its_file_begins_when_it_is_gone(scene):
    with scene.db.begin() as session:
        assert expire(scene, session) == [FILE]
        thread, came = in_another_thread(scene, create)
        eventually(lambda: came or waits_for_a_lock(scene), SECONDS)
        assert came == []
    thread.join(SECONDS)

    (batch_id,) = came
    with scene.db.read() as session:
        assert files.input_of(session, scene.batch_row(batch_id)) is None


def test_batches_of_one_file_do_not_wait_for_each_other(scene):
    with scene.db.begin() as session:
        create(scene, session)
        thread, came = in_another_thread(scene, create)
        thread.join(SECONDS)
        assert len(came) == 1


def waits_for_a_lock(scene):
    with scene.db.read() as session:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return session.execute(waiting).scalar()
