"""Batches: created, polled, listed, cancelled."""

import openai
import pytest

from headrace.clock import now
from headrace.states import BatchStatus
from headrace.usage import Usage
from tests.api_server import hints, refusal
from tests.kinds import on_sqlite
from tests.scene import failed, retried, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

REQUEST = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def test_a_new_batch_is_validating_and_has_every_field(api):
    made = api.sdk().batches.create(**REQUEST, metadata={"run": "7", "": "empty key"})

    assert made.id.startswith("batch_")
    assert (made.object, made.status, made.endpoint) == ("batch", "validating", "/v1/chat/completions")
    assert (made.input_file_id, made.completion_window) == ("file-1", "24h")
    assert made.expires_at == made.created_at + 86_400
    assert made.metadata == {"run": "7", "": "empty key"}
    assert made.request_counts.to_dict() == {"total": 0, "completed": 0, "failed": 0}
    assert made.usage.to_dict() == {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }
    unset = {name for name, value in made.to_dict().items() if value is None}
    assert unset == {
        "model",
        "errors",
        "output_file_id",
        "error_file_id",
        "in_progress_at",
        "finalizing_at",
        "completed_at",
        "failed_at",
        "expired_at",
        "cancelling_at",
        "cancelled_at",
        "notice",
        "budget",
    }
    assert api.sdk().batches.retrieve(made.id) == made


def test_the_workers_are_told_of_a_new_batch(api):
    batch = api.sdk().batches.create(**REQUEST)

    assert hints(api) == [("headrace.ingest", batch.id)]


@on_sqlite
@pytest.mark.parametrize(
    "endpoint", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
)
def test_four_endpoints_are_served(api, endpoint):
    assert api.sdk().batches.create(**{**REQUEST, "endpoint": endpoint}).endpoint == endpoint


def test_nulls_are_no_fault(api):
    response = api.call("POST", "/v1/batches", json={**REQUEST, "metadata": None})

    assert response.status_code == 200
    assert response.json()["metadata"] is None


@on_sqlite
@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"endpoint": "/v1/images/generations"}, "endpoint", "invalid_value"),
        ({"endpoint": 7}, "endpoint", "invalid_type"),
        ({"endpoint": None}, "endpoint", "invalid_type"),
        ({"completion_window": "1y"}, "completion_window", "invalid_value"),
        ({"completion_window": 24}, "completion_window", "invalid_type"),
        ({"input_file_id": ["file-1"]}, "input_file_id", "invalid_type"),
        ({"input_file_id": ""}, "input_file_id", "invalid_value"),
        ({"input_file_id": "file\0"}, "input_file_id", "invalid_value"),
        ({"input_file_id": "f" * 300}, "input_file_id", "string_above_max_length"),
        ({"metadata": {"n": 1}}, "metadata.n", "invalid_type"),
        ({"metadata": {"n": None}}, "metadata.n", "invalid_type"),
        ({"metadata": ["n"]}, "metadata", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "object_above_max_properties"),
        ({"metadata": {"k" * 65: ""}}, "metadata." + "k" * 65, "string_above_max_length"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 60}},
            "output_expires_after.seconds",
            "integer_below_min_value",
        ),
    ],
)
def test_what_is_wrong_with_a_batch_is_named_at_once(api, change, param, code):
    response = api.call("POST", "/v1/batches", json={**REQUEST, **change})

    assert response.status_code == 400
    error = refusal(response)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert api.sdk().batches.list().data == []


def test_a_wrong_endpoint_is_told_the_right_ones(api):
    with pytest.raises(openai.BadRequestError, match="/v1/chat/completions, /v1/completions, /v1/embeddings"):
        api.sdk().batches.create(**{**REQUEST, "endpoint": "/v1/moderations"})


@on_sqlite
@pytest.mark.parametrize("field", REQUEST)
def test_a_missing_field_is_named(api, field):
    body = {name: value for name, value in REQUEST.items() if name != field}

    response = api.call("POST", "/v1/batches", json=body)

    assert response.status_code == 400
    error = refusal(response)
    assert (error["param"], error["code"]) == (field, "missing_required_parameter")
    assert error["message"] == f"Missing required parameter: '{field}'."


@on_sqlite
@pytest.mark.parametrize("body", [[], [REQUEST], "text", 7, None])
def test_a_batch_must_be_an_object(api, body):
    response = api.call("POST", "/v1/batches", json=body, headers={"content-type": "application/json"})

    assert response.status_code == 400
    refusal(response)


def test_metadata_at_its_limits_comes_back_as_it_was(api):
    metadata = {f"{n:064}": "值" * 512 for n in range(15)} | {"nul": "a\0b"}

    batch = api.sdk().batches.create(**REQUEST, metadata=metadata)

    assert api.sdk().batches.retrieve(batch.id).metadata == metadata


def test_a_poll_shows_counts_usage_and_notice_as_they_stand(api, store):
    batch_id = store.batch(lines=6)
    flights = store.fly()
    usage = Usage(
        prompt_tokens=100, cached_tokens=40, completion_tokens=50, reasoning_tokens=20, total_tokens=150
    )
    store.land(succeeded(flights[0], usage), succeeded(flights[1], usage), failed(flights[2]))
    store.land(retried(flights[3], notice="The key is refused."))

    batch = api.sdk().batches.retrieve(batch_id)

    assert (batch.status, batch.model) == ("in_progress", "small-model")
    assert batch.in_progress_at >= batch.created_at
    assert batch.request_counts.to_dict() == {"total": 6, "completed": 2, "failed": 1}
    assert (batch.usage.input_tokens, batch.usage.input_tokens_details.cached_tokens) == (200, 80)
    assert (batch.usage.output_tokens, batch.usage.output_tokens_details.reasoning_tokens) == (100, 40)
    assert batch.usage.total_tokens == 300
    assert batch.notice == "The key is refused."


def test_the_errors_of_a_failed_batch_are_a_list(api, store):
    batch_id = store.new_batch()
    entry = {"code": "invalid_json_line", "message": "This is no JSON.", "param": None, "line": 3}
    store.set_batch(batch_id, status="failed", failed_at=now(), errors=[entry])

    batch = api.sdk().batches.retrieve(batch_id)

    assert batch.status == "failed"
    assert batch.failed_at
    assert batch.errors.object == "list"
    assert [error.to_dict() for error in batch.errors.data] == [entry]


def test_what_never_ran_is_not_counted_as_failed(api, store):
    batch_id = store.batch(lines=3)
    store.set_batch(batch_id, succeeded=1, cancelled=1, expired=1)

    counts = api.sdk().batches.retrieve(batch_id).request_counts

    assert counts.to_dict() == {"total": 3, "completed": 1, "failed": 0}


def test_batches_are_listed_newest_first_and_the_list_pages_by_itself(api):
    sdk = api.sdk()
    ids = [sdk.batches.create(**REQUEST).id for _ in range(5)]

    first = sdk.batches.list(limit=2)

    assert [batch.id for batch in first.data] == ids[:-3:-1]
    assert first.has_more is True
    assert [batch.id for batch in first] == ids[::-1]
    assert [batch.id for batch in sdk.batches.list(limit=2, after=ids[2])] == ids[1::-1]
    assert sdk.batches.list(limit=5).has_more is False


def test_the_limit_of_a_list_is_100(api):
    assert refusal(api.call("GET", "/v1/batches?limit=101"))["param"] == "limit"
    assert api.call("GET", "/v1/batches?limit=100").status_code == 200


@pytest.mark.parametrize("started", [False, True])
def test_an_open_batch_is_cancelled_and_cancelling_again_changes_nothing(api, store, started):
    batch_id = store.batch(lines=2) if started else store.new_batch()

    first = api.sdk().batches.cancel(batch_id)
    second = api.sdk().batches.cancel(batch_id)

    assert first.status == "cancelling"
    assert first.cancelling_at
    assert second == first
    store.set_batch(batch_id, status="cancelled", cancelled_at=now())
    assert api.sdk().batches.cancel(batch_id).status == "cancelled"


@pytest.mark.parametrize(
    "status",
    [BatchStatus.FINALIZING, BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED],
)
def test_a_batch_that_ended_cannot_be_cancelled_and_the_sdk_asks_once(api, store, status):
    batch_id = store.new_batch()
    store.set_batch(batch_id, status=status)

    with pytest.raises(openai.ConflictError) as caught:
        api.sdk(max_retries=5).batches.cancel(batch_id)

    assert (
        caught.value.response.json()["error"]["message"] == f"Cannot cancel a batch with status '{status}'."
    )
    assert (caught.value.param, caught.value.code) == (None, None)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"
    assert store.batch_row(batch_id).status == status


def test_batches_of_another_key_do_not_exist(api, store):
    batch_id = store.batch()
    _, stranger = api.new_key()

    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/results")):
        response = api.call(method, f"/v1/batches/{batch_id}{path}", key=stranger)
        assert response.status_code == 404
        assert refusal(response)["message"] == f"No batch found with id '{batch_id}'."
    assert api.call("GET", "/v1/batches", key=stranger).json()["data"] == []
    assert store.batch_row(batch_id).status == BatchStatus.IN_PROGRESS
