"""What is over goes, with its bytes: files, the parts of uploads, old uploads. What somebody needs stays."""

import threading
from datetime import timedelta

import pytest
from sqlmodel import select

from headrace.clock import now
from headrace.files import path_of
from headrace.ids import new_id
from headrace.models import File, Upload, UploadPart
from headrace.states import BATCH_FINAL, BatchStatus
from headrace.store import files, keys, uploads
from worker.pruning import COMPLETION, LOOK_SECONDS, UPLOADS_KEPT, Pruning

pytest_plugins = ["tests.databases", "tests.hints", "tests.sweeper_fixtures"]

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def monotonic(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("worker.pruning.time", clock)
    return clock


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def prune(store, folder):
    """A look by a process that has not looked before."""
    return lambda: Pruning(store.db, folder).prune()


def new_file(store, folder, expires_at, **values):
    """The id of a file with its bytes."""
    told = {"api_key_id": store.key_id, "purpose": "batch", "filename": "a.jsonl", "bytes": 5, **values}
    file = File(id=new_id("file-"), expires_at=expires_at, **told)
    with store.db.begin() as session:
        files.add(session, file)
    path_of(folder, file.id).write_bytes(b"bytes")
    return file.id


def new_upload(store, folder, *, status="pending", expires_at=None, parts=0):
    """The id of an upload, with so many parts and their bytes."""
    upload = Upload(
        id=new_id("upload_"),
        api_key_id=store.key_id,
        purpose="batch",
        filename="a.jsonl",
        mime_type="text/jsonl",
        bytes=5,
        status=status,
        file_id="file-made" if status == "completed" else None,
        expires_at=expires_at or now() + HOUR,
    )
    with store.db.begin() as session:
        uploads.create(session, upload)
        for _ in range(parts):
            part = UploadPart(id=new_id("part_"), upload_id=upload.id, bytes=5)
            uploads.add_part(session, part)
            path_of(folder, part.id).write_bytes(b"bytes")
    return upload.id


def known(store, model):
    """The ids of all rows of a table."""
    with store.db.read() as session:
        return set(session.exec(select(model.id)))


def status_of(store, upload_id):
    with store.db.read() as session:
        return session.exec(select(Upload.status).where(Upload.id == upload_id)).one()


def test_files_whose_time_is_over_go_with_their_bytes(store, folder, prune):
    new_file(store, folder, now() - SECOND)
    new_file(store, folder, now() - SECOND, purpose="batch_output")
    kept = {new_file(store, folder, now() + HOUR), new_file(store, folder, None)}

    prune()

    assert known(store, File) == kept
    assert {path.name for path in folder.iterdir()} == kept


@pytest.mark.parametrize("status", BatchStatus)
def test_the_input_of_a_batch_stays_until_that_has_ended(store, folder, prune, status):
    file_id = new_file(store, folder, now() - SECOND)
    store.set_batch(store.new_batch(), input_file_id=file_id, status=status)

    prune()

    assert path_of(folder, file_id).exists() is (status not in BATCH_FINAL)
    assert known(store, File) == ({file_id} - ({file_id} if status in BATCH_FINAL else set()))


def test_a_batch_of_another_key_keeps_no_file(store, folder, prune):
    with store.db.begin() as session:
        stranger, _ = keys.create(session, "a stranger")
    file_id = new_file(store, folder, now() - SECOND, api_key_id=stranger.id)
    store.set_batch(store.new_batch(), input_file_id=file_id)

    prune()

    assert known(store, File) == set()


def test_inputs_that_must_stay_do_not_hold_up_the_others(store, folder, prune, monkeypatch):
    monkeypatch.setattr("worker.pruning.SLICE", 2)
    kept = {new_file(store, folder, now() - HOUR) for _ in range(3)}
    for file_id in kept:
        store.set_batch(store.new_batch(), input_file_id=file_id)
    new_file(store, folder, now() - SECOND)

    prune()

    assert known(store, File) == kept


@pytest.mark.parametrize("status", ["completed", "cancelled", "expired"])
def test_the_parts_of_an_upload_that_has_ended_go(store, folder, prune, status):
    ended = new_upload(store, folder, status=status, parts=3)
    pending = new_upload(store, folder, parts=2)
    next(folder.iterdir()).unlink()  # as if one had died between the bytes and the rows

    prune()

    assert known(store, Upload) == {ended, pending}
    assert len(known(store, UploadPart)) == 2
    assert {path.name for path in folder.iterdir()} <= known(store, UploadPart)


def test_an_upload_expires_when_no_completion_of_it_can_be_at_work_any_more(store, folder, prune):
    over = new_upload(store, folder, expires_at=now() - COMPLETION - SECOND, parts=1)
    late = new_upload(store, folder, expires_at=now() - COMPLETION + HOUR / 10, parts=1)

    prune()

    assert (status_of(store, over), status_of(store, late)) == ("expired", "pending")
    assert {path.name for path in folder.iterdir()} == known(store, UploadPart)
    assert len(known(store, UploadPart)) == 1


def test_uploads_are_forgotten_a_month_after_their_end(store, folder, prune):
    for status in ("completed", "cancelled", "expired", "pending"):
        new_upload(store, folder, status=status, expires_at=now() - UPLOADS_KEPT - SECOND, parts=1)
    kept = new_upload(store, folder, status="completed", expires_at=now() - UPLOADS_KEPT + HOUR)

    prune()

    assert known(store, Upload) == {kept}
    assert known(store, UploadPart) == set()


def test_an_upload_is_not_forgotten_before_its_parts(store, folder, monkeypatch):
    monkeypatch.setattr("worker.pruning.SLICE", 2)
    new_upload(store, folder, status="cancelled", expires_at=now() - UPLOADS_KEPT - SECOND, parts=3)
    pruning = Pruning(store.db, folder)

    pruning.prune()
    assert len(known(store, UploadPart)) == len(known(store, Upload)) == 1
    pruning.prune()
    assert known(store, UploadPart) == known(store, Upload) == set()


def test_it_goes_on_at_once_while_there_is_more_and_then_waits(store, folder, clock, monkeypatch):
    monkeypatch.setattr("worker.pruning.SLICE", 2)
    pruning = Pruning(store.db, folder)
    for _ in range(5):
        new_file(store, folder, now() - SECOND)
    new_upload(store, folder, status="cancelled", parts=3)

    left = []
    for _ in range(3):
        pruning.prune()
        left.append((len(known(store, File)), len(known(store, UploadPart))))
    assert left == [(3, 1), (1, 0), (0, 0)]

    new_file(store, folder, now() - SECOND)
    pruning.prune()
    assert len(known(store, File)) == 1
    clock.seconds += LOOK_SECONDS
    pruning.prune()
    assert known(store, File) == set()


def test_what_cannot_be_removed_holds_up_nothing_else(store, folder, prune):
    """A part that cannot go now goes later; until then its row says that it is there."""
    new_upload(store, folder, status="cancelled", parts=3)
    stuck, *_ = sorted(folder.iterdir())
    stuck.unlink()
    stuck.mkdir()

    prune()
    assert known(store, UploadPart) == {stuck.name}
    assert list(folder.iterdir()) == [stuck]
    stuck.rmdir()
    stuck.touch()
    prune()

    assert known(store, UploadPart) == set()
    assert not stuck.exists()


def test_several_prune_at_once(store, folder):
    for _ in range(40):
        new_file(store, folder, now() - SECOND)
    new_upload(store, folder, status="completed", parts=40)
    failures = []

    def prune():
        try:
            Pruning(store.db, folder).prune()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=prune) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert known(store, File) == set()
    assert known(store, UploadPart) == set()
    assert list(folder.iterdir()) == []


def test_the_sweep_does_it(store, sweeper, tmp_path):
    new_file(store, tmp_path, now() - SECOND)

    sweeper.sweep()

    assert known(store, File) == set()
