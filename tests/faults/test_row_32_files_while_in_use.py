"""Row 32: files deleted and read while they are in use, and kill -9 in an export: never a part of one."""

import json

import pytest

from headrace.files import path_of
from tests.api_server import running_api
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

LINES = 40
LARGE = b'{"a": 1}\n' * 2_000_000


@pytest.fixture
def api(plant, redis_client_url):
    with running_api(plant.store.db, redis_client_url, plant.settings.data_dir) as api:
        plant.store.key_id = api.key_id
        yield api


def visible(api):
    """The names of all files that a client sees, by their size and what is really there."""
    listed = api.call("GET", "/v1/files").json()["data"]
    for file in listed:
        assert len(api.call("GET", f"/v1/files/{file['id']}/content").content) == file["bytes"]
    return {file["id"] for file in listed}


@each_database_in_faults
@pytest.mark.parametrize(
    "failpoints", ["before-rename=kill@1", "before-rename=kill@2"], ids=["before", "between"]
)
def test_a_worker_killed_in_an_export_shows_nothing_of_it_and_another_does_it_again(plant, api, failpoints):
    """With an output and an error file; the second kill comes when one of them is in its place."""
    witness = plant.provider()
    doomed = plant.worker(failpoints=failpoints)
    lines = [*many(LINES), {**many(1)[0], "custom_id": "bad", "body": refused()}]
    batch_id = plant.submit(*lines)
    assert doomed.process.wait(30) != 0
    stuck = api.call("GET", f"/v1/batches/{batch_id}").json()
    assert (stuck["status"], stuck["output_file_id"], stuck["error_file_id"]) == ("finalizing", None, None)
    assert visible(api) == {"file-input"}

    plant.worker()

    batch = plant.finished(batch_id)
    assert visible(api) == {"file-input", batch.output_file_id, batch.error_file_id}
    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert (account.jobs, account.calls, account.succeeded) == (LINES + 1, LINES + 1, LINES)


def test_an_input_cannot_be_deleted_under_its_batch_and_may_go_when_that_is_final(plant, api):
    plant.provider(latency_ms=500)
    plant.worker()
    batch_id = plant.submit(*many(LINES))
    eventually(lambda: plant.store.batch_row(batch_id).succeeded > 0, 30)

    assert api.call("DELETE", "/v1/files/file-input").status_code == 409
    batch = plant.finished(batch_id)
    assert api.call("DELETE", "/v1/files/file-input").status_code == 200

    assert batch.succeeded == LINES
    assert visible(api) == {batch.output_file_id}
    results = api.call("GET", f"/v1/batches/{batch_id}/results").content
    assert results == path_of(plant.settings.files_dir, batch.output_file_id).read_bytes()


def test_results_read_while_the_batch_runs_are_whole_lines_and_each_comes_once(plant, api):
    plant.provider(latency_ms=300)
    plant.worker()
    batch_id = plant.submit(*many(LINES))
    found: list[str] = []
    after = 0

    while len(found) < LINES:
        page = api.call("GET", f"/v1/batches/{batch_id}/results?after={after}&limit=7")
        found += [json.loads(line)["custom_id"] for line in page.content.splitlines()]
        after = int(page.headers["x-headrace-cursor"])

    assert sorted(found) == sorted(one["custom_id"] for one in many(LINES))


def test_a_file_deleted_while_somebody_reads_it_is_read_to_its_end_and_gone_for_others(api):
    file_id = api.upload(LARGE).json()["id"]
    with api.call("GET", f"/v1/files/{file_id}/content", stream=True) as reading:
        first = next(reading.iter_content(1000))
        assert api.call("DELETE", f"/v1/files/{file_id}").status_code == 200
        rest = b"".join(reading.iter_content(100_000))

    assert first + rest == LARGE
    assert api.call("GET", f"/v1/files/{file_id}/content").status_code == 404
    assert api.stored() == []


def refused():
    return {"model": "small-model", "messages": [{"role": "user", "content": "[[sim:422]]"}]}
