"""Batches as objects: made, looked at, listed, cancelled, and what is ours in them."""

import openai
import pytest

from tests.sdk.batches import CHAT, SLOW_MODEL, lines_of, many, reached, submitted

WANTED = {"input_file_id": "file-none", "endpoint": CHAT, "completion_window": "24h"}
SECONDS = {"1h": 3600, "24h": 86_400, "7d": 7 * 86_400}


def test_a_new_batch_has_every_field_of_the_type(sdk, client):
    metadata = {"run": "7", "für": "轮子"}

    made = sdk.run(client.batches.create(**WANTED, metadata=metadata))

    assert made.id.startswith("batch_")
    assert (made.object, made.status, made.endpoint) == ("batch", "validating", CHAT)
    assert (made.input_file_id, made.completion_window) == ("file-none", "24h")
    assert made.expires_at == made.created_at + SECONDS["24h"]
    assert (made.metadata, made.errors, made.output_file_id, made.error_file_id) == (
        metadata,
        None,
        None,
        None,
    )
    counts = made.request_counts
    assert (counts.total, counts.completed, counts.failed) == (0, 0, 0)
    assert made._request_id.startswith("req_")


def test_a_batch_can_be_looked_at_and_its_raw_response_too(sdk, client):
    made = sdk.run(client.batches.create(**WANTED, metadata={"a": "b"}))

    seen = sdk.run(client.batches.retrieve(made.id))
    raw = sdk.run(client.batches.with_raw_response.retrieve(made.id))

    assert (seen.id, seen.created_at, seen.metadata) == (made.id, made.created_at, {"a": "b"})
    assert raw.parse().id == made.id
    assert raw.headers["x-request-id"] == raw.request_id
    with sdk.opened(client.batches.with_streaming_response.retrieve(made.id)) as response:
        assert response.request_id.startswith("req_")
        assert sdk.run(response.parse()).id == made.id


@pytest.mark.parametrize("options", [{}, {"limit": 7}, {"limit": 100}])
def test_two_hundred_batches_come_page_by_page_newest_first(sdk, shelf, options):
    numbers = [batch.metadata["number"] for batch in sdk.all(shelf.batches.list(**options))]

    assert numbers == [str(number) for number in reversed(range(200))]


def test_a_page_has_twenty_batches_unless_asked_and_goes_on_behind_one(sdk, shelf):
    first = sdk.run(shelf.batches.list())
    behind = sdk.run(shelf.batches.list(after=first.data[4].id, limit=2))

    assert (len(first.data), first.has_more) == (20, True)
    assert [batch.id for batch in behind.data] == [batch.id for batch in first.data[5:7]]


def test_a_batch_of_a_file_that_is_not_there_fails(sdk, client):
    made = sdk.run(client.batches.create(**WANTED))

    failed = reached(sdk, client, made.id, "failed")

    (error,) = failed.errors.data
    assert (failed.errors.object, error.code, error.param, error.line) == (
        "list",
        "invalid_request",
        "file_id",
        None,
    )
    assert failed.failed_at >= failed.created_at


@pytest.mark.parametrize("window", ["1h", "24h", "7d"])
def test_the_completion_window_may_be_another(sdk, client, window):
    made = sdk.run(client.batches.create(**{**WANTED, "completion_window": window}))

    assert made.completion_window == window
    assert made.expires_at == made.created_at + SECONDS[window]


def test_our_own_wishes_ride_in_the_extra_body(sdk, client):
    ours = {"priority": 5, "invalid_lines": "skip", "on_ambiguous": "hold"}

    made = sdk.run(client.batches.create(**WANTED, extra_body=ours))

    assert {name: getattr(made, name) for name in ours} == ours


def test_bad_lines_are_skipped_if_that_is_wished(sdk, client):
    lines = [*many(2), b"no JSON", {"custom_id": "lame", "method": "POST"}]

    batch = submitted(sdk, client, lines, extra_body={"invalid_lines": "skip"})
    batch = reached(sdk, client, batch.id, "completed")

    assert lines_of(sdk, client, batch.output_file_id).keys() == {"line-1", "line-2"}
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (4, 2, 2)
    assert len(sdk.run(client.files.content(batch.error_file_id)).text.split("\n")[:-1]) == 2


def test_a_running_batch_is_cancelled_once_and_every_line_is_accounted_for(sdk, client, relay, relayed):
    batch = submitted(sdk, client, many(60, model=SLOW_MODEL))
    reached(sdk, client, batch.id, "in_progress", completed=1)

    asked = sdk.run(relayed.batches.cancel(batch.id))

    assert asked.status in ("cancelling", "cancelled")
    assert asked.cancelling_at >= asked.in_progress_at
    (seen,) = relay.seen
    assert (seen.headers["content-type"], seen.body) == ("application/json", b"")
    assert sdk.run(client.batches.cancel(batch.id)).id == batch.id
    cancelled = reached(sdk, client, batch.id, "cancelled")
    assert sdk.run(client.batches.cancel(batch.id)) == cancelled
    answers = lines_of(sdk, client, cancelled.output_file_id)
    left = lines_of(sdk, client, cancelled.error_file_id)
    assert answers.keys() | left.keys() == {f"line-{number}" for number in range(1, 61)}
    assert len(answers) == cancelled.request_counts.completed < 60 == len(answers) + len(left)
    assert {line["error"]["code"] for line in left.values()} == {"batch_cancelled"}


def test_a_batch_that_is_over_is_not_cancelled_and_nobody_asks_twice(sdk, client, relay, relayed):
    batch = submitted(sdk, client, many(1))
    reached(sdk, client, batch.id, "completed")

    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'") as caught:
        sdk.run(relayed.batches.cancel(batch.id))

    error = caught.value
    assert (error.type, error.param, error.code) == ("invalid_request_error", None, None)
    assert error.response.headers["x-should-retry"] == "false"
    assert len(relay.seen) == 1
