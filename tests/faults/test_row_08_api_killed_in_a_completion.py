"""Row 8: kill -9 of the API while a file comes in parts, and while it is made of them: whole or not there."""

import os
import time

import pytest
from sqlmodel import select

from headrace.models import UploadPart
from tests.kinds import each_database_in_faults, on_sqlite
from tests.uploading import LINES, announce, begun, cancel, complete, content, names, part_of, send
from worker.pruning import Pruning
from worker.tidying import OLD_SECONDS, Tidying

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted", "tests.api_process"]

LARGE = LINES + b"\n" * 500_000  # of several pieces
HALVES = (LARGE[:300_000], LARGE[300_000:])


@pytest.fixture
def left(plant, monkeypatch):
    """What is left in the folder of files when all that is over was pruned, and all is old and tidied."""
    monkeypatch.setattr("worker.tidying.LOOK_SECONDS", 0.0)
    folder = plant.settings.files_dir

    def swept():
        Pruning(plant.store.db, folder).prune()
        tidying = Tidying(plant.store.db, folder)
        old = time.time() - OLD_SECONDS - 60
        for path in folder.iterdir():
            os.utime(path, (old, old))
        for _ in range(2):
            tidying.tidy()
        return {path.name for path in folder.iterdir()}

    return swept


@pytest.fixture
def halves(serve):
    """A living API, an upload and its two parts."""
    api = serve()
    upload_id = begun(api, len(LARGE))
    return api, upload_id, [part_of(api, upload_id, half) for half in HALVES]


def listed(api):
    """The files that a client sees, each of which is whole."""
    found = api.call("GET", "/v1/files").json()["data"]
    for file in found:
        assert content(api, file["id"]) == LARGE
    return [file["id"] for file in found]


def parts_known(plant):
    with plant.store.db.read() as session:
        return set(session.exec(select(UploadPart.id)))


@on_sqlite
def test_an_upload_whose_announcement_is_killed_is_announced_again(serve, left):
    for failpoint in ("before-commit=kill@1", "after-commit=kill@1"):
        doomed = serve(failpoint)
        doomed.dies_of(lambda api=doomed: announce(api))

    api = serve()
    upload_id = begun(api)
    complete(api, upload_id, [part_of(api, upload_id, LINES)])

    assert len(left()) == 1


@on_sqlite
@pytest.mark.parametrize(
    "failpoint",
    ["upload=kill@3", "before-rename=kill@1", "stored=kill@1", "before-commit=kill@1", "after-commit=kill@1"],
)
def test_a_part_that_kills_the_api_is_sent_again(plant, serve, left, failpoint):
    """`after-commit`: it is there twice then, and the client knows of one."""
    api = serve()
    upload_id = begun(api, len(LARGE))
    doomed = serve(failpoint)
    doomed.dies_of(lambda: send(doomed, upload_id, LARGE))

    part_id = part_of(api, upload_id, LARGE)
    assert left() == parts_known(plant)
    file = complete(api, upload_id, [part_id]).json()["file"]

    assert listed(api) == [file["id"]]
    assert left() == {file["id"]}


@each_database_in_faults
@pytest.mark.parametrize(
    ("failpoint", "is_there"),
    [
        ("before-rename=kill@1", False),
        ("stored=kill@1", False),
        ("before-commit=kill@1", False),
        ("after-commit=kill@1", True),
    ],
)
def test_a_completion_that_kills_the_api_is_sent_again_and_makes_one_file(
    plant, serve, halves, left, failpoint, is_there
):
    api, upload_id, parts = halves
    doomed = serve(failpoint)
    doomed.dies_of(lambda: complete(doomed, upload_id, parts))
    assert bool(listed(api)) is is_there
    assert set(parts) < names(api)
    assert (left() >= set(parts)) is not is_there

    done = complete(api, upload_id, parts)
    again = complete(api, upload_id, parts)

    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert again.json() == done.json()
    assert listed(api) == [done.json()["file"]["id"]]
    assert left() == {done.json()["file"]["id"]}
    assert parts_known(plant) == set()


@pytest.mark.parametrize(
    ("failpoint", "is_done"), [("before-commit=raise@1", False), ("after-commit=raise@1", True)]
)
def test_a_completion_whose_commit_is_not_acknowledged_is_sent_again_and_makes_one_file(
    serve, halves, left, failpoint, is_done
):
    _, upload_id, parts = halves
    unsure = serve(failpoint)
    assert complete(unsure, upload_id, parts).status_code == 503
    assert bool(listed(unsure)) is is_done

    done = complete(unsure, upload_id, parts)

    assert done.status_code == 200
    assert listed(unsure) == [done.json()["file"]["id"]]
    assert left() == {done.json()["file"]["id"]}


@on_sqlite
def test_the_parts_go_of_an_upload_whose_cancellation_killed_the_api(plant, serve, halves, left):
    api, upload_id, parts = halves
    doomed = serve("after-commit=kill@1")
    doomed.dies_of(lambda: cancel(doomed, upload_id))
    assert names(api) == set(parts)

    assert left() == set()
    assert parts_known(plant) == set()
    assert cancel(api, upload_id).json()["status"] == "cancelled"
