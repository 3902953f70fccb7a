"""With HEADRACE_STRICT, a batch is asked for as OpenAI has it, and in no other way."""

from collections.abc import Iterator

import pytest

from tests.api_server import Api, refusal, running_api

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

REQUEST = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
KNOWN = (*REQUEST, "metadata", "output_expires_after")


@pytest.fixture
def strict(store, api_redis_url, tmp_path) -> Iterator[Api]:
    with running_api(store.db, api_redis_url, tmp_path, strict=True) as running:
        yield running


def test_what_the_contract_has_is_taken(strict, store):
    expiry = {"anchor": "created_at", "seconds": 7200}

    made = strict.sdk().batches.create(**REQUEST, metadata={"a": "b"}, output_expires_after=expiry)

    assert store.batch_row(made.id).output_seconds == 7200


@pytest.mark.parametrize("field", [{"priority": 5}, {"invalid_lines": "skip"}, {"on_ambiguous": "retry"}])
def test_fields_of_ours_are_unknown(strict, field):
    response = strict.call("POST", "/v1/batches", json={**REQUEST, **field})

    error = refusal(response)
    assert response.status_code == 400
    assert (error["param"], error["code"]) == (*field, "unknown_parameter")
    assert error["message"].endswith("Known are: " + ", ".join(KNOWN) + ".")


@pytest.mark.parametrize("window", ["1h", "1440m", "1d", "7d"])
def test_there_is_but_one_window(strict, window):
    error = refusal(strict.call("POST", "/v1/batches", json={**REQUEST, "completion_window": window}))

    assert (error["param"], error["code"]) == ("completion_window", "invalid_value")
    assert "'24h'" in error["message"]


def test_an_upload_may_begin_with_a_byte_order_mark_for_the_batch_judges_it(strict):
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}'

    assert strict.upload(b"\xef\xbb\xbf" + line).status_code == 200
    assert strict.upload(b"\xef\xbb\xbfnonsense").status_code == 400


def test_metadata_is_only_metadata(strict, store):
    metadata = {"headrace.priority": "none", "headrace.whatever": "x", "headrace.completion_window": "1h"}

    made = strict.sdk().batches.create(**REQUEST, metadata=metadata)

    assert made.metadata == metadata
    row = store.batch_row(made.id)
    assert (row.priority, row.completion_window) == (0, "24h")
