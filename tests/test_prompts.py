"""What a body must say to the model, endpoint by endpoint, and that its answer comes with its call."""

import json

import pytest

from headrace.bodies import body_fault
from headrace.lines import parse_line
from headrace.store.jobs import NewJob
from headrace.tokens import bound_of_text

CHAT = "/v1/chat/completions"


def any_model(_name):
    return True


def fault_of(body, endpoint):
    fault = body_fault(endpoint, body, any_model)
    return fault and (fault.code, fault.param)


def parsed(body, endpoint):
    line = {"custom_id": "one", "method": "POST", "url": endpoint, "body": body}
    return parse_line(json.dumps(line).encode(), 1, endpoint, any_model)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": ""}]}),
        ("/v1/completions", {"prompt": "text"}),
        ("/v1/completions", {"prompt": ""}),
        ("/v1/completions", {"prompt": None}),
        ("/v1/completions", {"prompt": ["a", "b"]}),
        ("/v1/completions", {"prompt": [1, 2, 3]}),
        ("/v1/embeddings", {"input": "text"}),
        ("/v1/embeddings", {"input": [[1, 2], [3]]}),
        ("/v1/responses", {"input": "text"}),
        ("/v1/responses", {"input": [{"role": "user", "content": "text"}]}),
        ("/v1/responses", {"prompt": {"id": "pmpt_1"}}),
        ("/v1/responses", {"previous_response_id": "resp_1"}),
        ("/v1/responses", {"conversation": "conv_1", "input": ""}),
        ("/v1/responses", {"conversation": {"id": "conv_1"}, "input": [], "prompt": None}),
        (CHAT, {"messages": [{}], "stream": False}),
        (CHAT, {"messages": [{}], "background": True}),
    ],
)
def test_every_endpoint_has_its_prompt(endpoint, body):
    assert fault_of({"model": "m", **body}, endpoint) is None


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, {}, "body.messages"),
        (CHAT, {"messages": []}, "body.messages"),
        (CHAT, {"messages": "text"}, "body.messages"),
        (CHAT, {"messages": ["text"]}, "body.messages"),
        (CHAT, {"messages": {"role": "user"}}, "body.messages"),
        (CHAT, {"prompt": {"id": "pmpt_1"}, "conversation": "conv_1"}, "body.messages"),
        ("/v1/completions", {}, "body.prompt"),
        ("/v1/completions", {"prompt": []}, "body.prompt"),
        ("/v1/completions", {"prompt": 7}, "body.prompt"),
        ("/v1/embeddings", {"input": None}, "body.input"),
        ("/v1/embeddings", {"input": {}}, "body.input"),
        ("/v1/embeddings", {"input": "", "prompt": {"id": "pmpt_1"}}, "body.input"),
        ("/v1/responses", {"input": True}, "body.input"),
        ("/v1/responses", {"input": {"role": "user"}, "conversation": "conv_1"}, "body.input"),
        ("/v1/responses", {"prompt": "text"}, "body.input"),
        ("/v1/responses", {"prompt": {}, "previous_response_id": "", "conversation": []}, "body.input"),
        ("/v1/responses", {"previous_response_id": {"id": "resp_1"}}, "body.input"),
    ],
)
def test_a_body_without_its_prompt_is_refused(endpoint, body, param):
    assert fault_of({"model": "m", **body}, endpoint) == ("invalid_request", param)


@pytest.mark.parametrize("background", [True, 1, "yes", {"a": 1}])
def test_a_response_that_nobody_would_fetch_is_refused_with_the_reason(background):
    fault = body_fault("/v1/responses", {"model": "m", "input": "Hi", "background": background}, any_model)

    assert fault is not None
    assert (fault.code, fault.param) == ("invalid_request", "body.background")
    assert "nobody would fetch" in fault.message


@pytest.mark.parametrize("background", [False, None])
def test_a_response_that_is_waited_for_says_so_to_the_provider_too(background):
    body = {"model": "m", "input": "Hi", "background": background}

    job = parsed(body, "/v1/responses")

    assert isinstance(job, NewJob)
    assert json.loads(job.body) == body


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/completions", {"prompt": None}),
        ("/v1/completions", {"prompt": ""}),
        ("/v1/responses", {"previous_response_id": "resp_1"}),
        ("/v1/responses", {"conversation": {"id": "conv_1"}, "input": []}),
        ("/v1/responses", {"prompt": {"id": "pmpt_1", "variables": {"city": "Ulm"}}}),
    ],
)
def test_a_body_without_words_of_its_own_is_estimated_and_bounded_all_the_same(endpoint, body):
    job = parsed({"model": "m", **body}, endpoint)

    assert isinstance(job, NewJob)
    assert job.prompt_estimate >= 1
    assert bound_of_text(endpoint, job.body).at_most(100) > 100 + (endpoint == "/v1/responses") * 1_000_000
    assert json.loads(job.body) == {"model": "m", **body}
