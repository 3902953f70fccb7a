"""Refusals: the right exception with its fields, and the request is sent once."""

from typing import Any

import openai
import pytest

from tests.sdk.batches import CHAT

WANTED = {"input_file_id": "file-none", "endpoint": CHAT, "completion_window": "24h"}
TOO_LARGE = 1024 * 1024  # of a JSON body, in this headrace


def made_of(**change):
    """A call that would make a batch, but for these."""
    return lambda client: client.batches.create(**{**WANTED, **change})


def posted(path, **how):
    """A call of no method."""
    return lambda client: client.post(path, cast_to=object, **how)


REFUSALS = {
    "an endpoint that is not served": (made_of(endpoint="/v1/x"), 400, "endpoint", "invalid_value"),
    "a window that is none": (made_of(completion_window="soon"), 400, "completion_window", "invalid_value"),
    "metadata that is no text": (made_of(metadata={"a": 1}), 400, "metadata.a", "invalid_type"),
    "a field that is missing": (
        posted("/batches", body={"endpoint": CHAT, "completion_window": "24h"}),
        400,
        "input_file_id",
        "missing_required_parameter",
    ),
    "a limit of nothing": (
        lambda client: client.files.list(limit=0),
        400,
        "limit",
        "integer_below_min_value",
    ),
    "a batch's limit": (
        lambda client: client.batches.list(limit=101),
        400,
        "limit",
        "integer_above_max_value",
    ),
    "an input by another name": (
        lambda client: client.files.create(file=("a.txt", b"{}"), purpose="batch"),
        400,
        None,
        None,
    ),
    "a purpose that is none": (
        lambda client: client.files.create(file=("a.jsonl", b"{}"), purpose="fun"),
        400,
        "purpose",
        "invalid_value",
    ),
    "no such file": (lambda client: client.files.retrieve("file-none"), 404, "id", None),
    "no such content": (lambda client: client.files.content("file-none"), 404, "id", None),
    "no such batch": (lambda client: client.batches.retrieve("batch_none"), 404, None, None),
    "no such batch to cancel": (lambda client: client.batches.cancel("batch_none"), 404, None, None),
    "no such path": (lambda client: client.get("/nowhere", cast_to=object), 404, None, "unknown_url"),
    "no such method": (posted("/models"), 405, None, "method_not_supported"),
    "a body that is too large": (made_of(metadata={"a": "x" * TOO_LARGE}), 413, None, None),
    "a body of another type": (
        posted("/batches", body=WANTED, options={"headers": {"Content-Type": "text/plain"}}),
        415,
        None,
        None,
    ),
}
CLASSES = {400: openai.BadRequestError, 404: openai.NotFoundError}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_is_an_exception_with_its_fields_and_is_not_repeated(sdk, relay, relayed, what):
    call, status, param, code = REFUSALS[what]

    with pytest.raises(openai.APIStatusError) as caught:
        sdk.run(call(relayed))

    error = caught.value
    assert type(error) is CLASSES.get(status, openai.APIStatusError)
    assert (error.status_code, error.type) == (status, "invalid_request_error")
    assert (error.param, error.code) == (param, code)
    assert str(error.request_id).startswith("req_")
    body: Any = error.body
    assert body.keys() == {"message", "type", "param", "code"}
    assert body["message"] in str(error)
    assert len(relay.seen) == 1


@pytest.mark.parametrize("key", ["hr-wrong", "轮子".encode().hex()])
def test_a_wrong_key_is_an_authentication_error_that_is_not_repeated(sdk, relay, key):
    stranger = sdk.client(base_url=f"{relay.url}/v1", api_key=key)

    with pytest.raises(openai.AuthenticationError) as caught:
        sdk.run(stranger.models.list())

    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert str(caught.value.request_id).startswith("req_")
    assert len(relay.seen) == 1


def test_a_file_that_is_too_large_is_refused(sdk, client):
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.run(client.files.create(file=("a.bin", b"x" * (8 * 1024 * 1024 + 1)), purpose="user_data"))

    assert (caught.value.status_code, caught.value.param) == (413, "file")


@pytest.mark.parametrize("name", ["a/b", "a b", "..", "%2e%2e%2f", "轮", "a?b=c#d"])
def test_an_id_that_needs_escapes_is_cleanly_not_found(sdk, relay, relayed, name):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.run(relayed.batches.retrieve(f"batch_{name}"))

    assert caught.value.type == "invalid_request_error"
    assert str(caught.value.request_id).startswith("req_")
    (seen,) = relay.seen
    escaped = "a%2Fb" in seen.path
    assert escaped is (name == "a/b" and not openai.__version__.startswith("1."))


def test_a_base_url_without_v1_is_told_so(sdk, relay):
    astray = sdk.client(base_url=relay.url)

    with pytest.raises(openai.NotFoundError, match=r"Invalid URL \(GET /batches/batch_none\)"):
        sdk.run(astray.batches.retrieve("batch_none"))
