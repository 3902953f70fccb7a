"""Leftovers of killed processes go; what a row names, or a batch still needs, stays."""

import os
import time

import pytest

from headrace.clock import now
from headrace.files import path_of, writing
from headrace.ids import new_id
from headrace.models import File, Upload, UploadPart
from headrace.states import BatchStatus
from headrace.store import files, uploads
from tests.scene import succeeded
from worker.finalise import finalise
from worker.tidying import LOOK_SECONDS, OLD_SECONDS, Tidying

pytest_plugins = ["tests.databases"]


class Clocks:
    """The monotonic clock and the host's, which may jump."""

    def __init__(self):
        self.passed = 1000.0
        self.jumped = 0.0

    def monotonic(self):
        return self.passed

    def time(self):
        return time.time() + self.jumped


@pytest.fixture
def clocks(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr("worker.tidying.time", clocks)
    return clocks


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "files"


@pytest.fixture
def tidy(store, folder, clocks):
    """Looks twice, as two sweeps ten minutes apart do."""
    tidying = Tidying(store.db, folder)

    def looks_twice():
        for _ in range(2):
            clocks.passed += LOOK_SECONDS
            tidying.tidy()

    return looks_twice


def leave(folder, name, seconds=OLD_SECONDS + 60):
    """A file that was last written so long ago."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(b"bytes")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def recorded(store, folder, seconds=OLD_SECONDS + 60):
    file_id = new_id("file-")
    with store.db.begin() as session:
        files.add(session, File(id=file_id, api_key_id=store.key_id, purpose="batch", filename="a", bytes=5))
    return leave(folder, file_id, seconds)


def recorded_part(store, folder):
    upload = Upload(
        id=new_id("upload_"),
        api_key_id=store.key_id,
        purpose="batch",
        filename="a",
        mime_type="b",
        bytes=5,
        expires_at=now(),
    )
    part = UploadPart(id=new_id("part_"), upload_id=upload.id, bytes=5)
    with store.db.begin() as session:
        uploads.create(session, upload)
        uploads.add_part(session, part)
    return leave(folder, part.id)


def test_old_leftovers_go_and_nothing_else(store, folder, tidy):
    gone = [
        leave(folder, f"{new_id('file-')}.0123abcd.part"),
        leave(folder, new_id("file-")),
        leave(folder, f"{new_id('part_')}.0123abcd.part"),
        leave(folder, new_id("part_")),
    ]
    kept = [
        recorded(store, folder),
        recorded_part(store, folder),
        leave(folder, new_id("part_"), seconds=60),
        leave(folder, new_id("file-"), seconds=60),
        leave(folder, f"{new_id('file-')}.0123abcd.part", seconds=60),
        leave(folder, "notes.txt"),
        leave(folder, "file-of-mine.jsonl"),
        leave(folder, "other.part"),
    ]
    (folder / new_id("file-")).mkdir()

    tidy()

    assert not [path for path in gone if path.exists()]
    assert [path for path in kept if path.exists()] == kept
    assert len(list(folder.iterdir())) == len(kept) + 1


def test_the_files_of_a_batch_that_is_not_published_yet_stay(store, folder, tidy):
    batch_id = store.batch()
    (completed,) = store.land(*map(succeeded, store.fly()))
    finalise(completed, store.db, folder)
    (output,) = folder.iterdir()
    os.utime(output, (time.time() - OLD_SECONDS - 60,) * 2)
    with store.db.begin() as session:  # as if it had died before it published them
        row = files.get(session, store.key_id, output.name)
        assert row
        files.delete(session, row)
    store.set_batch(batch_id, status=BatchStatus.FINALIZING, completed_at=None, output_file_id=None)

    tidy()
    assert output.exists()

    store.set_batch(batch_id, status=BatchStatus.COMPLETED)
    tidy()
    assert not output.exists()


def test_a_file_that_is_being_written_stays_when_the_clock_jumps(store, folder, clocks):
    tidying = Tidying(store.db, folder)
    with writing(folder, new_id("file-")) as out:
        for _ in range(3):
            out.write(b"another line\n")
            out.flush()
            clocks.passed += LOOK_SECONDS
            clocks.jumped += OLD_SECONDS
            tidying.tidy()

        assert len(list(folder.iterdir())) == 1


def test_it_looks_every_ten_minutes(store, folder, clocks):
    leftover = leave(folder, new_id("file-"))
    tidying = Tidying(store.db, folder)
    for _ in range(3):
        tidying.tidy()
        clocks.passed += LOOK_SECONDS / 2 - 1
        assert leftover.exists()

    clocks.passed += LOOK_SECONDS
    tidying.tidy()

    assert not path_of(folder, leftover.name).exists()


def test_more_than_a_slice_is_removed_and_no_folder_is_no_fault(folder, tidy, monkeypatch):
    tidy()
    monkeypatch.setattr("worker.tidying.SLICE", 2)
    for _ in range(5):
        leave(folder, new_id("file-"))

    tidy()

    assert list(folder.iterdir()) == []
