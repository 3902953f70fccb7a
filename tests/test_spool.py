"""The spool: what landed is on disk while the database is away, and lands when its process is dead."""

import errno
import os
from dataclasses import replace

import pytest

from headrace.clock import now
from headrace.states import JobState, Outcome
from headrace.usage import NO_USAGE
from tests.away import attempts_away
from tests.refusing import refusing
from tests.scene import failed, retried, succeeded
from worker.replay import Replay
from worker.spool import Spool, decoded, encoded
from worker.stopping import StopFlag
from worker.writing import Writer

pytest_plugins = ["tests.databases", "tests.hints"]

ANSWER = '{"choices":[{"message":{"content":"水车 \\ud83c\\nand a second line"}}]}'


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def spool(folder):
    """The file of a process that lives."""
    spool = Spool(folder)
    yield spool
    spool.close()


@pytest.fixture
def replay(store, folder, hints):  # noqa: ARG001 - a batch that is done is told to the workers
    return Replay(folder, Writer(store.db, Spool(folder)), StopFlag())


def lines_in(folder):
    return b"".join(path.read_bytes() for path in folder.glob("*.jsonl")).count(b"\n")


def test_a_landing_is_the_same_after_its_way_through_the_file(store):
    store.batch(3)
    flights = store.fly()
    for landing in (
        succeeded(flights[0], answer=ANSWER),
        failed(flights[1]),
        replace(retried(flights[2], run_at=now()), notice="请稍候", error_message="a\nb", request_id="r"),
    ):
        assert decoded(encoded(landing)) == landing


def test_what_a_dead_process_left_is_landed_and_its_file_removed(store, folder, spool, replay):
    batch_id = store.batch(3)
    spool.add([succeeded(flight, answer=ANSWER) for flight in store.fly()])
    spool.close()

    replay.look()

    assert {job.answer for job in store.jobs(batch_id)} == {ANSWER}
    assert store.batch_row(batch_id).succeeded == 3
    assert list(folder.iterdir()) == []


def test_the_file_of_a_living_process_is_let_alone(store, folder, spool, replay):
    batch_id = store.batch(1)
    spool.add([succeeded(*store.fly())])

    replay.look()

    assert lines_in(folder) == 1
    assert {job.state for job in store.jobs(batch_id)} == {JobState.RUNNING}


def test_only_its_owner_can_read_it(store, folder, spool):
    store.batch(1)
    spool.add([succeeded(*store.fly())])

    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


def test_a_half_written_last_line_is_left_out(store, folder, spool, replay):
    batch_id = store.batch(2)
    landings = [succeeded(flight) for flight in store.fly()]
    spool.add(landings)
    spool.close()
    (path,) = folder.iterdir()
    os.truncate(path, path.stat().st_size - 5)

    replay.look()

    assert store.batch_row(batch_id).succeeded == 1
    assert list(folder.iterdir()) == []


def test_a_line_that_is_none_is_kept_aside_and_the_others_land(store, folder, spool, replay):
    batch_id = store.batch(2)
    first, second = (succeeded(flight) for flight in store.fly())
    spool.add([first])
    spool.close()
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes() + bytes(100) + b"\n" + encoded(second))

    replay.look()

    assert store.batch_row(batch_id).succeeded == 2
    assert [path.suffix for path in folder.iterdir()] == [".bad"]
    replay.look()
    assert [path.suffix for path in folder.iterdir()] == [".bad"]


def test_a_file_is_kept_until_the_database_is_back_and_may_be_landed_twice(store, folder, spool, replay):
    batch_id = store.batch(1)
    landing = succeeded(*store.fly())
    spool.add([landing])
    spool.close()
    with attempts_away(store.db):
        replay.look()
    assert lines_in(folder) == 1

    store.land(landing)  # its commit was not acknowledged
    replay.look()

    assert store.batch_row(batch_id).succeeded == 1
    assert list(folder.iterdir()) == []


def test_the_answer_of_a_job_that_was_rescued_meanwhile_is_taken(store, spool, replay):
    batch_id = store.batch(1)
    spool.add([succeeded(*store.fly())])
    spool.close()
    assert store.rescue("worker-1") == 1

    replay.look()

    (job,) = store.jobs(batch_id)
    assert (job.state, job.calls) == (JobState.SUCCEEDED, 1)


@pytest.fixture
def picky(store):
    """A database that refuses an answer with a certain word in it, for ever."""
    with refusing(store.db, "UPDATE", "jobs", "NEW.answer LIKE '%unspeakable%'"):
        yield


def test_one_landing_that_is_refused_fails_its_job_and_the_others_of_the_group_land(store, folder, picky):  # noqa: ARG001
    batch_id = store.batch(3)
    first, second, third = store.fly()
    bad = succeeded(second, answer='"unspeakable"')

    assert Writer(store.db, Spool(folder)).write([succeeded(first), bad, succeeded(third)])

    states = [(job.state, job.error_code) for job in store.jobs(batch_id)]
    good = (JobState.SUCCEEDED, None)
    assert states == [good, (JobState.FAILED, "internal_error"), good]
    assert store.jobs(batch_id)[1].total_tokens == bad.usage.total_tokens
    (kept,) = folder.iterdir()
    assert kept.suffix == ".rejected"
    assert decoded(kept.read_bytes()) == bad


def test_no_log_line_about_a_refusal_quotes_the_answer(store, folder, picky, caplog):  # noqa: ARG001
    store.batch(1)
    Writer(store.db, Spool(folder)).write([succeeded(*store.fly(), answer='"unspeakable"')])

    assert "refused" in caplog.text
    assert "unspeakable" not in caplog.text


def test_a_value_that_cannot_even_be_sent_is_refused_too(store, folder):
    batch_id = store.batch(1)
    landing = succeeded(*store.fly())

    assert Writer(store.db, Spool(folder)).write([replace(landing, answer="\ud83c")])

    assert {job.error_code for job in store.jobs(batch_id)} == {"internal_error"}


def test_where_even_the_failure_is_refused_the_job_is_left_to_the_rescue(store, folder):
    batch_id = store.batch(1)
    with refusing(store.db, "UPDATE", "jobs", "NEW.state IN ('succeeded', 'failed')"):
        assert Writer(store.db, Spool(folder)).write([succeeded(*store.fly())])

    assert {job.state for job in store.jobs(batch_id)} == {JobState.RUNNING}
    (job,) = store.jobs(batch_id)
    assert {attempt.outcome for attempt in store.attempts(job.id)} == {Outcome.OPEN}
    assert NO_USAGE.total_tokens == job.total_tokens
    assert [path.suffix for path in folder.iterdir()] == [".rejected"]


def test_a_database_that_is_away_is_no_refusal(store, folder):
    store.batch(1)
    landing = succeeded(*store.fly())
    with attempts_away(store.db):
        assert not Writer(store.db, Spool(folder)).write([landing])
    assert not folder.exists()


def test_a_large_file_of_which_most_is_written_is_made_anew(store, folder, spool, monkeypatch):
    monkeypatch.setattr("worker.spool.LARGE_BYTES", 2000)
    store.batch(30)
    landings = [succeeded(flight) for flight in store.fly()]
    spool.add(landings)

    assert not spool.is_mostly_written(len(landings) // 2)
    assert spool.is_mostly_written(2)
    spool.rewrite(landings[-2:])

    assert lines_in(folder) == 2
    assert not spool.is_mostly_written(0)
    spool.add(landings[:1])
    assert lines_in(folder) == 3


def test_a_file_that_cannot_be_made_anew_stays(store, folder, spool, monkeypatch):
    store.batch(3)
    landings = [succeeded(flight) for flight in store.fly()]
    spool.add(landings)
    monkeypatch.setattr("worker.spool.os.fsync", _no_room)

    with pytest.raises(OSError, match="No space"):
        spool.rewrite(landings[:1])

    assert lines_in(folder) == 3
    monkeypatch.undo()
    spool.clear()
    assert lines_in(folder) == 0


def _no_room(_):
    raise OSError(errno.ENOSPC, "No space left on device")
