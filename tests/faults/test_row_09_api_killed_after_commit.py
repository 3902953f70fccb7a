"""Row 9: kill -9 of the API after the commit of a creation, before its answer and before the wake-up."""

import openai
import pytest

from tests.api_process import ApiProcess
from tests.batch_input import line, many, stored_input
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted", "tests.api_process"]

FIRST, AGAIN = {"x-stainless-retry-count": "0"}, {"x-stainless-retry-count": "1"}


def wanted(file_id):
    return {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}


@each_database_in_faults
@pytest.mark.parametrize(
    ("first", "again"), [({"idempotency-key": "once"},) * 2, (FIRST, AGAIN)], ids=["key", "repeat"]
)
def test_a_repeated_creation_returns_the_batch_of_the_first_try(plant, serve, hints, first, again):
    file_id = stored_input(plant.store, plant.settings, *many(5))
    doomed = serve("created=kill@1")
    doomed.dies_of(lambda: doomed.call("POST", "/v1/batches", json=wanted(file_id), headers=first))
    api = serve()
    (made,) = api.call("GET", "/v1/batches").json()["data"]
    assert hints.taken() == []  # it was killed before the wake-up

    repeated = api.call("POST", "/v1/batches", json=wanted(file_id), headers=again)

    assert (repeated.status_code, repeated.json()["id"]) == (200, made["id"])
    assert repeated.headers["idempotent-replayed"] == "true"


@each_database_in_faults
def test_the_sdk_repeats_by_itself_and_makes_one_batch(plant, serve, monkeypatch):
    """Its first try meets an API that dies of it; then another one listens on the same port."""
    file_id = stored_input(plant.store, plant.settings, *many(5))
    doomed = serve("created=kill@1")
    revived: list[ApiProcess] = []

    def revive(*_):
        assert doomed.process.wait(10)
        revived.append(serve(port=doomed.port) if not revived else revived[0])

    with openai.OpenAI(base_url=f"{doomed.url}/v1", api_key=doomed.secret, max_retries=5) as sdk:
        monkeypatch.setattr(sdk, "_sleep_for_retry", lambda **_: revive())
        batch = sdk.batches.create(**wanted(file_id))

    assert [one["id"] for one in revived[0].call("GET", "/v1/batches").json()["data"]] == [batch.id]


@each_database_in_faults
def test_work_starts_without_the_wake_up(plant, serve):
    witness = plant.provider()
    plant.worker()
    file_id = stored_input(plant.store, plant.settings, *many(5))
    doomed = serve("created=kill@1")
    doomed.dies_of(lambda: doomed.call("POST", "/v1/batches", json=wanted(file_id)))

    (batch,) = serve().call("GET", "/v1/batches").json()["data"]

    assert plant.finished(batch["id"]).succeeded == 5
    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert (account.jobs, account.calls) == (5, 5)


@each_database_in_faults
def test_jobs_start_without_the_wake_up_too(plant, serve):
    witness = plant.provider()
    plant.worker()
    doomed = serve("after-commit=kill@1")
    doomed.dies_of(lambda: doomed.call("POST", "/v1/jobs", json=line("alone"), headers=FIRST))

    repeated = serve().call("POST", "/v1/jobs", json=line("alone"), headers=AGAIN).json()

    (job,) = plant.store.jobs()
    assert repeated["id"] == f"job_{job.id}"
    eventually(lambda: plant.store.job(job.id).state == "succeeded", 30)
    assert check(plant.store.db, [witness]).calls == 1
