"""Row 8: kill -9 of the API in the middle of an upload, and of creating a batch."""

import json
import os
import time

import pytest

from tests.batch_input import line, many, stored_input
from tests.invariants import check
from tests.kinds import each_database_in_faults
from worker.tidying import OLD_SECONDS, PART, Tidying

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted", "tests.api_process"]

INPUT = b"\n".join(json.dumps(one).encode() for one in many(5))
LARGE = INPUT + b"\n" * 500_000  # of several pieces
KEY = {"idempotency-key": "once"}


def wanted(file_id):
    return {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def listed(api, path):
    return [one["id"] for one in api.call("GET", path).json()["data"]]


def tidied(store, folder, monkeypatch):
    """What is left when everything is older than an hour and was looked at twice."""
    monkeypatch.setattr("worker.tidying.LOOK_SECONDS", 0.0)
    tidying = Tidying(store.db, folder)
    old = time.time() - OLD_SECONDS - 60
    for path in folder.iterdir():
        os.utime(path, (old, old))
    for _ in range(2):
        tidying.tidy()
    return sorted(path.name for path in folder.iterdir())


@each_database_in_faults
@pytest.mark.parametrize(
    ("failpoint", "is_whole"),
    [("upload=kill@3", False), ("before-rename=kill@1", False), ("stored=kill@1", True)],
)
def test_an_upload_whose_api_is_killed_leaves_no_file_but_bytes_that_are_swept(
    plant, serve, monkeypatch, failpoint, is_whole
):
    doomed = serve(failpoint)
    doomed.dies_of(lambda: doomed.upload(LARGE))
    (left,) = doomed.stored()
    assert left.name.endswith(PART) is not is_whole

    api = serve()
    assert listed(api, "/v1/files") == []
    file_id = api.upload(LARGE).json()["id"]

    assert listed(api, "/v1/files") == [file_id]
    assert len(api.stored()) == 2
    assert tidied(plant.store, plant.settings.files_dir, monkeypatch) == [file_id]
    assert api.call("GET", f"/v1/files/{file_id}/content").content == LARGE


def test_a_batch_whose_creation_is_killed_before_its_commit_is_not_there(plant, serve):
    file_id = stored_input(plant.store, plant.settings, *many(5))
    doomed = serve("before-commit=kill@1")

    doomed.dies_of(lambda: doomed.call("POST", "/v1/batches", json=wanted(file_id), headers=KEY))

    api = serve()
    assert listed(api, "/v1/batches") == []
    again = api.call("POST", "/v1/batches", json=wanted(file_id), headers=KEY)
    assert "idempotent-replayed" not in again.headers
    assert listed(api, "/v1/batches") == [again.json()["id"]]


@each_database_in_faults
def test_whatever_kills_the_api_one_key_makes_one_batch_that_runs_whole_and_once(plant, serve):
    witness = plant.provider()
    plant.worker()
    file_id = stored_input(plant.store, plant.settings, *many(5))
    for failpoint in ("before-commit=kill@1", "after-commit=kill@1"):
        doomed = serve(failpoint)
        doomed.dies_of(lambda api=doomed: api.call("POST", "/v1/batches", json=wanted(file_id), headers=KEY))

    api = serve()
    again = api.call("POST", "/v1/batches", json=wanted(file_id), headers=KEY)

    assert again.headers["idempotent-replayed"] == "true"
    assert listed(api, "/v1/batches") == [again.json()["id"]]
    assert plant.finished(again.json()["id"]).succeeded == 5
    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert (account.jobs, account.calls) == (5, 5)


@each_database_in_faults
def test_jobs_whose_submission_is_killed_are_all_there_or_none_is(plant, serve):
    requests_ = [line(f"job-{number}") for number in range(20)]
    for failpoint, count in (("before-commit=kill@1", 0), ("after-commit=kill@1", 20)):
        doomed = serve(failpoint)
        doomed.dies_of(lambda api=doomed: api.call("POST", "/v1/jobs", json=requests_, headers=KEY))
        assert len(plant.store.jobs()) == count

    assert len(serve().call("POST", "/v1/jobs", json=requests_, headers=KEY).json()["data"]) == 20
    assert len(plant.store.jobs()) == 20
