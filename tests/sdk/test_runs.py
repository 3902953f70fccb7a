"""Batches from the upload of their input to their result files."""

from typing import Any

import openai
import pytest

from tests.sdk.batches import CHAT, MODEL, PROMPTS, REFUSED, line, lines_of, many, reached, submitted

ANSWERS = {
    CHAT: "chat.completion",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "list",
    "/v1/responses": "response",
}
TYPES: dict[str, Any] = {
    CHAT: openai.types.chat.ChatCompletion,
    "/v1/completions": openai.types.Completion,
    "/v1/embeddings": openai.types.CreateEmbeddingResponse,
    "/v1/responses": openai.types.responses.Response,
}


@pytest.mark.parametrize("endpoint", PROMPTS)
def test_a_batch_of_each_endpoint_ends_with_both_files(sdk, client, endpoint):
    good = [line(f"good-{number}", endpoint) for number in range(5)]
    bad = {"messages": REFUSED["messages"]} if endpoint == CHAT else {_prompt_of(endpoint): "[[sim:400]]"}

    batch = submitted(sdk, client, [*good, line("bad", endpoint, **bad)], endpoint)
    batch = reached(sdk, client, batch.id, "completed")

    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (6, 5, 1)
    assert (batch.endpoint, batch.model, batch.errors) == (endpoint, MODEL, None)
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    answers = lines_of(sdk, client, batch.output_file_id)
    assert answers.keys() == {each["custom_id"] for each in good}
    for answer in answers.values():
        assert (answer["error"], answer["response"]["status_code"]) == (None, 200)
        assert answer["id"].startswith("batch_req_")
        assert answer["response"]["body"]["object"] == ANSWERS[endpoint]
        TYPES[endpoint].model_validate(answer["response"]["body"])
    ((custom_id, refused),) = lines_of(sdk, client, batch.error_file_id).items()
    assert (custom_id, refused["error"], refused["response"]["status_code"]) == ("bad", None, 400)
    assert refused["response"]["body"]["error"]["message"] == "Invalid value, as asked for."


def _prompt_of(endpoint):
    (name,) = PROMPTS[endpoint]
    return name


def test_the_usage_of_a_batch_is_the_sum_of_its_answers(sdk, client):
    batch = reached(sdk, client, submitted(sdk, client, many(10)).id, "completed")

    used = [
        answer["response"]["body"]["usage"] for answer in lines_of(sdk, client, batch.output_file_id).values()
    ]
    usage = batch.to_dict()["usage"]  # 1.109.1 has no type for it
    assert usage["input_tokens"] == sum(each["prompt_tokens"] for each in used)
    assert usage["output_tokens"] == sum(each["completion_tokens"] for each in used) > 0
    assert usage["total_tokens"] == sum(each["total_tokens"] for each in used)
    assert usage["input_tokens_details"]["cached_tokens"] >= 0
    assert usage["output_tokens_details"]["reasoning_tokens"] >= 0


def test_a_batch_of_which_every_request_failed_is_completed(sdk, client):
    batch = submitted(sdk, client, many(3, **REFUSED))
    batch = reached(sdk, client, batch.id, "completed")

    assert (batch.output_file_id, batch.errors) == (None, None)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (0, 3)
    assert len(lines_of(sdk, client, batch.error_file_id)) == 3


def test_a_batch_with_bad_lines_fails_and_names_each(sdk, client):
    lines = [
        line("good"),
        b"no JSON",
        {"custom_id": "lame", "method": "POST", "body": {}},
        line("elsewhere", "/v1/embeddings"),
        line("unknown", model="nobody-has-it"),
        line("stream", stream=True),
        line("good"),
    ]

    batch = reached(sdk, client, submitted(sdk, client, lines).id, "failed")

    found = {(error.line, error.code, error.param) for error in batch.errors.data}
    assert found == {
        (2, "invalid_json_line", None),
        (3, "missing_required_parameter", "url"),
        (4, "invalid_url", "url"),
        (5, "model_not_found", "body.model"),
        (6, "streaming_unsupported", "body.stream"),
        (7, "duplicate_custom_id", "custom_id"),
    }
    assert all(error.message for error in batch.errors.data)
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (0, 0, 0)
    assert (batch.output_file_id, batch.error_file_id, batch.in_progress_at) == (None, None, None)


def test_the_result_files_are_listed_and_named_after_their_batch(sdk, client):
    batch = submitted(sdk, client, [line("good"), line("bad", **REFUSED)])
    batch = reached(sdk, client, batch.id, "completed")

    newest = sdk.run(client.files.list(purpose="batch_output", limit=2)).data

    files = {file.id: file.filename for file in newest}
    assert files == {
        batch.output_file_id: f"{batch.id}_output.jsonl",
        batch.error_file_id: f"{batch.id}_error.jsonl",
    }


def test_the_result_files_live_for_as_long_as_was_asked(sdk, client):
    lines, expiry = [line("good"), line("bad", **REFUSED)], {"anchor": "created_at", "seconds": 3600}

    batch = submitted(sdk, client, lines, output_expires_after=expiry)
    batch = reached(sdk, client, batch.id, "completed")

    for file_id in (batch.output_file_id, batch.error_file_id):
        file = sdk.run(client.files.retrieve(file_id))
        assert (file.purpose, file.expires_at) == ("batch_output", file.created_at + 3600)


def test_the_input_of_a_running_batch_is_not_deleted(sdk, client, relay, relayed):
    batch = submitted(sdk, client, many(60, model="slow"))

    with pytest.raises(openai.ConflictError, match="has not ended"):
        sdk.run(relayed.files.delete(batch.input_file_id))

    assert len(relay.seen) == 1
    sdk.run(client.batches.cancel(batch.id))


def test_the_input_of_a_batch_that_is_over_can_be_deleted(sdk, client):
    batch = reached(sdk, client, submitted(sdk, client, many(1)).id, "completed")

    assert sdk.run(client.files.delete(batch.input_file_id)).deleted
    assert sdk.run(client.batches.retrieve(batch.id)) == batch
