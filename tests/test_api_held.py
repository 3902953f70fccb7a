"""Jobs that wait for their owner: what the API shows of them, and how they are let go."""

import pytest

from headrace.states import BatchStatus, JobState
from tests.api_server import hints, refusal
from tests.kinds import on_sqlite
from tests.scene import AT_MOST, LANE, USAGE, retried, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

WANTED = {
    "input_file_id": "file-1",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}


@pytest.fixture
def held(api, store):  # noqa: ARG001 - the batch is the API's client's
    """A batch of two held jobs, one answered and one that waits: its id, and those of the held ones."""
    batch_id = store.batch(lines=4)
    store.set_batch(batch_id, hold_ambiguous=True)
    a, b, c = store.fly(3)
    store.land(retried(a, error_code="timeout", error_message="no answer in 600 s"), retried(b))
    store.land(succeeded(c))
    return batch_id, [f"job_{flight.claim.job_id}" for flight in (a, b)]


def states(store, batch_id):
    return [job.state for job in store.jobs(batch_id)]


def batch_of(api, batch_id):
    return api.call("GET", f"/v1/batches/{batch_id}").json()


@pytest.mark.parametrize("policy", ["retry", "hold"])
def test_a_batch_says_what_it_does_about_ambiguous_calls(api, store, policy):
    sdk = api.sdk()

    batch = sdk.batches.create(**WANTED, extra_body={"on_ambiguous": policy})

    assert batch.on_ambiguous == policy
    assert sdk.batches.retrieve(batch.id).on_ambiguous == policy
    assert store.batch_row(batch.id).hold_ambiguous is (policy == "hold")


@on_sqlite
def test_retry_is_the_default_and_anything_else_is_refused(api):
    assert api.call("POST", "/v1/batches", json=WANTED).json()["on_ambiguous"] == "retry"

    refused = api.call("POST", "/v1/batches", json={**WANTED, "on_ambiguous": "ask"})

    assert refused.status_code == 400
    assert refusal(refused)["param"] == "on_ambiguous"


def test_a_batch_shows_its_held_jobs_and_what_its_ambiguous_calls_can_have_cost(api, held):
    batch_id, _ = held

    (listed,) = api.call("GET", "/v1/batches").json()["data"]
    polled = batch_of(api, batch_id)

    for batch in (listed, polled, api.sdk().batches.retrieve(batch_id).model_dump()):
        assert batch["held"] == 2
        assert batch["ambiguous"] == {"calls": 2, "tokens_at_most": 2 * AT_MOST}
        assert "held" in batch["notice"]
        assert batch["usage"]["total_tokens"] == USAGE.total_tokens


def test_the_word_about_held_jobs_stands_beside_any_other_and_survives_a_success(api, store, held):
    batch_id, _ = held
    (flight,) = store.fly()
    store.set_batch(batch_id, notice="The provider refuses (401).")
    assert batch_of(api, batch_id)["notice"].startswith("The provider refuses (401). Requests that are held")

    store.land(succeeded(flight))

    assert batch_of(api, batch_id)["notice"].startswith("Requests that are held")


def test_held_jobs_are_listed_with_the_reason_since_when_and_their_price_at_most(api, store, held):
    batch_id, ids = held
    store.inline()

    jobs = api.call("GET", "/v1/jobs?state=held").json()["data"]

    assert [job["id"] for job in jobs] == ids
    assert jobs == api.call("GET", f"/v1/jobs?state=held&batch={batch_id}").json()["data"]
    assert jobs[0]["error"] == {"code": "timeout", "message": "no answer in 600 s"}
    assert jobs[0]["ambiguous"] == {"calls": 1, "tokens_at_most": AT_MOST}
    assert abs(jobs[0]["run_at"] - store.batch_row(batch_id).created_at.timestamp()) < 60
    detail = api.call("GET", f"/v1/jobs/{ids[0]}").json()
    assert [call["tokens_at_most"] for call in detail["calls"]] == [AT_MOST]
    assert detail["ambiguous"] == jobs[0]["ambiguous"]


@pytest.mark.parametrize("body", [None, {}, {"to": "queue"}])
def test_a_held_job_that_is_released_is_due_and_its_lane_is_woken(api, store, held, body):
    batch_id, (first, _) = held

    released = api.call("POST", f"/v1/jobs/{first}/release", json=body)

    assert (released.status_code, released.json()["state"]) == (200, "queued")
    assert hints(api) == [("headrace.drain", LANE)]
    assert batch_of(api, batch_id)["held"] == 1
    assert f"job_{store.claim()[0].job_id}" == first


def test_a_held_job_that_is_given_up_has_failed(api, store, held):
    batch_id, (first, _) = held

    released = api.call("POST", f"/v1/jobs/{first}/release", json={"to": "fail"}).json()

    assert (released["state"], released["error"]["code"]) == ("failed", "not_retried")
    assert hints(api) == []
    assert store.batch_row(batch_id).failed == 1


def test_all_held_jobs_of_a_batch_are_released_slice_by_slice_and_no_others(api, store, monkeypatch):
    monkeypatch.setattr("api.releases.SLICE", 2)
    batch_id, other = store.batch(lines=5), store.batch(lines=1)
    for batch in (batch_id, other):
        store.set_batch(batch, hold_ambiguous=True)
    store.land(*map(retried, store.fly()))

    for released in (5, 0):
        answer = api.call("POST", f"/v1/batches/{batch_id}/release").json()
        assert answer == {"id": batch_id, "object": "batch.released", "released": released}

    assert states(store, batch_id) == [JobState.QUEUED] * 5
    assert states(store, other) == [JobState.HELD]


def test_a_batch_whose_last_jobs_are_given_up_is_finalised(api, store):
    batch_id = store.batch(lines=3)
    store.set_batch(batch_id, hold_ambiguous=True)
    store.land(*map(retried, store.fly()))

    api.call("POST", f"/v1/batches/{batch_id}/release", json={"to": "fail"})

    row = store.batch_row(batch_id)
    assert (row.status, row.failed) == (BatchStatus.FINALIZING, 3)
    assert hints(api) == [("headrace.finalise", batch_id)]


def test_a_job_that_is_not_held_cannot_be_released(api, store):
    (job_id,) = store.inline()

    refused = api.call("POST", f"/v1/jobs/job_{job_id}/release")

    assert refused.status_code == 409
    assert refused.headers["x-should-retry"] == "false"
    assert "queued" in refusal(refused)["message"]


@on_sqlite
def test_nobody_releases_what_belongs_to_another_key(api, store, held):
    batch_id, (first, _) = held
    _, stranger = api.new_key()

    assert api.call("POST", f"/v1/jobs/{first}/release", key=stranger).status_code == 404
    assert api.call("POST", f"/v1/batches/{batch_id}/release", key=stranger).status_code == 404
    assert states(store, batch_id).count(JobState.HELD) == 2


@on_sqlite
@pytest.mark.parametrize("body", [{"to": "nowhere"}, [], "queue", {"to": None}])
def test_a_release_to_nowhere_is_refused(api, store, held, body):
    batch_id, (first, _) = held

    assert api.call("POST", f"/v1/jobs/{first}/release", json=body).status_code == 400
    assert api.call("POST", f"/v1/batches/{batch_id}/release", json=body).status_code == 400
    assert states(store, batch_id).count(JobState.HELD) == 2
