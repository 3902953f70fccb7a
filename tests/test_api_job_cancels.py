"""Jobs cancelled one by one."""

import pytest

from tests.api_server import Api, hints, refusal
from tests.scene import retried, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]


@pytest.fixture
def job_id(api: Api) -> str:
    """A job that waits."""
    body = {"model": "small-model", "messages": [{"role": "user", "content": "你好"}]}
    job_id: str = api.call("POST", "/v1/jobs", json=body).json()["id"]
    return job_id


def test_a_waiting_job_is_cancelled_at_once_and_again_without_harm(api, store, job_id):
    first = api.call("POST", f"/v1/jobs/{job_id}/cancel")
    second = api.call("POST", f"/v1/jobs/{job_id}/cancel")

    assert first.json()["state"] == "cancelled"
    assert (second.status_code, second.json()) == (200, first.json())
    assert store.claim() == []


def test_a_running_job_is_marked_and_ends_when_its_call_does(api, store, job_id):
    (flight,) = store.fly()

    cancelled = api.call("POST", f"/v1/jobs/{job_id}/cancel")
    store.land(retried(flight))

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "running")
    assert api.call("GET", f"/v1/jobs/{job_id}").json()["state"] == "cancelled"


def test_a_finished_job_cannot_be_cancelled(api, store, job_id):
    store.land(succeeded(store.fly()[0]))

    response = api.call("POST", f"/v1/jobs/{job_id}/cancel")

    assert response.status_code == 409
    assert response.headers["x-should-retry"] == "false"
    assert refusal(response)["message"] == "Cannot cancel a job with status 'succeeded'."


def test_cancelling_the_last_job_of_a_batch_closes_it_and_wakes_its_finaliser(api, store):
    batch_id = store.batch(lines=2)
    first, last = (f"job_{job.id}" for job in store.jobs(batch_id))

    api.call("POST", f"/v1/jobs/{first}/cancel")
    before = api.sdk().batches.retrieve(batch_id)
    api.call("POST", f"/v1/jobs/{last}/cancel")
    after = api.sdk().batches.retrieve(batch_id)

    assert (before.status, after.status) == ("in_progress", "finalizing")
    assert store.batch_row(batch_id).cancelled == 2
    assert hints(api) == [("headrace.finalise", batch_id)]
