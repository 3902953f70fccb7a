"""A batch whose input cannot be read to its end says so, runs what it has, and ends like any other."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import delete

from headrace.clock import now
from headrace.errors import Unavailable
from headrace.files import path_of
from headrace.models import File
from headrace.settings import Settings
from headrace.states import BatchStatus, JobState
from headrace.store import batches, jobs
from tests.batch_input import INPUT, given, ingesting, line, many
from tests.scene import LANE, new_job, succeeded
from worker.finalise import finalise
from worker.slices import MOST_LINES

pytest_plugins = ["tests.databases", "tests.hints", "tests.sweeper_fixtures"]
pytestmark = pytest.mark.usefixtures("hints")

FIRST = MOST_LINES  # the lines of one slice


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, max_attempts=3)


@pytest.fixture
def begun(store, settings):
    """A batch of 1,200 lines, of which the first slice was ingested."""
    batch_id = given(store, settings, *many(1200))
    read = sum(len(json.dumps(one)) + 1 for one in many(FIRST))
    with store.db.begin() as session:
        batches.begin(session, batch_id, total=1200, model=LANE)
        new = [new_job(number) for number in range(1, FIRST + 1)]
        jobs.submit(session, new, api_key_id=store.key_id, batch_id=batch_id, max_attempts=3)
        batches.ingested(session, batch_id, lines=FIRST, offset=read)
    return batch_id


def lose(store, settings, what):
    if what == "the row":
        with store.db.begin() as session:
            session.execute(delete(File))
    elif what == "the bytes":
        path_of(settings.files_dir, INPUT).unlink()
    elif what == "the end":
        path = path_of(settings.files_dir, INPUT)
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:FIRST]))


@pytest.mark.parametrize("lost", ["the row", "the end"])
def test_what_was_read_runs_when_the_rest_of_the_input_is_gone(store, settings, begun, sweeper, lost):
    lose(store, settings, lost)

    for _ in range(2):
        ingesting(store, settings, begun).run()

    batch = store.batch_row(begun)
    assert (batch.status, batch.total, batch.ingested) == (BatchStatus.IN_PROGRESS, FIRST, FIRST)
    (error,) = batch.errors
    assert (error["code"], error["param"], error["line"]) == ("invalid_request", "file_id", None)
    assert "700" in error["message"]
    store.land(*map(succeeded, store.fly()))
    assert ended(store, settings, sweeper, begun) == BatchStatus.COMPLETED
    assert store.batch_row(begun).succeeded == FIRST


@pytest.mark.parametrize("end", [BatchStatus.CANCELLED, BatchStatus.EXPIRED])
def test_a_cancel_and_the_end_of_the_window_end_it(store, settings, begun, sweeper, end):
    (flying, *_) = store.fly(1)
    lose(store, settings, "the bytes")
    if end is BatchStatus.CANCELLED:
        assert store.cancel_batch(begun)
    else:
        store.set_batch(begun, expires_at=now() - timedelta(seconds=1))
    ingesting(store, settings, begun).run()
    sweeper.sweep()
    store.land(succeeded(flying))

    assert ended(store, settings, sweeper, begun) == end
    batch = store.batch_row(begun)
    assert (batch.succeeded, batch.cancelled + batch.expired) == (1, FIRST - 1)
    assert batch.errors


def test_a_line_that_a_newer_release_does_not_take_ends_the_ingest_before_it(store, settings, begun, sweeper):
    content = path_of(settings.files_dir, INPUT).read_bytes().split(b"\n")
    content[FIRST + 2] = b"]" * len(content[FIRST + 2])
    path_of(settings.files_dir, INPUT).write_bytes(b"\n".join(content))

    ingesting(store, settings, begun).run()

    batch = store.batch_row(begun)
    assert (batch.total, batch.ingested, len(store.jobs(begun))) == (FIRST + 2, FIRST + 2, FIRST + 2)
    (error,) = batch.errors
    assert (error["code"], error["line"]) == ("invalid_json_line", FIRST + 3)
    assert "698" in error["message"]
    store.land(*map(succeeded, store.fly()))
    assert ended(store, settings, sweeper, begun) == BatchStatus.COMPLETED


def test_a_limit_that_is_lowered_takes_no_line_back(store, settings, begun):
    longest = max(map(len, path_of(settings.files_dir, INPUT).read_bytes().split(b"\n")))

    ingesting(store, settings.model_copy(update={"max_body_bytes": longest - 1}), begun).run()

    batch = store.batch_row(begun)
    assert (batch.ingested, batch.errors) == (batch.total, None)


def test_a_batch_of_which_nothing_was_read_ends_without_any_job(store, settings, sweeper):
    batch_id = given(store, settings, line("a"))
    with store.db.begin() as session:
        batches.begin(session, batch_id, total=1, model=LANE)
    lose(store, settings, "the row")

    ingesting(store, settings, batch_id).run()

    assert ended(store, settings, sweeper, batch_id) == BatchStatus.COMPLETED
    assert store.batch_row(batch_id).errors
    assert store.jobs(batch_id) == []


def test_bytes_that_are_away_are_waited_for(store, settings, begun):
    away = settings.files_dir.rename(settings.data_dir / "not-mounted")
    settings.files_dir.mkdir()  # others make it when they need it

    with pytest.raises(Unavailable, match="not mounted"):
        ingesting(store, settings, begun).run()

    assert store.batch_row(begun).total == 1200
    settings.files_dir.rmdir()
    away.rename(settings.files_dir)
    ingesting(store, settings, begun).run()
    batch = store.batch_row(begun)
    assert (batch.ingested, batch.errors) == (1200, None)
    assert {job.state for job in store.jobs(begun)} == {JobState.QUEUED}


def test_a_validation_waits_for_bytes_that_are_away_and_a_cancel_does_not(store, settings):
    batch_id = given(store, settings, line("a"))
    lose(store, settings, "the bytes")

    with pytest.raises(Unavailable, match="not mounted"):
        ingesting(store, settings, batch_id).run()

    assert store.batch_row(batch_id).status == BatchStatus.VALIDATING
    assert store.cancel_batch(batch_id)
    ingesting(store, settings, batch_id).run()
    assert store.batch_row(batch_id).status == BatchStatus.CANCELLED


def ended(store, settings, sweeper, batch_id):
    """Its status after a sweep, and what that asks for."""
    sweeper.sweep()
    finalise(batch_id, store.db, settings.files_dir)
    return store.batch_row(batch_id).status
