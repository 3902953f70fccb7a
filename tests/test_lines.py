"""Lines and bodies: what can run becomes a job, what cannot is told in the words of a batch's errors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bodies import ENDPOINTS, MAX_DEPTH, MAX_NAME_CHARACTERS, Fault, body_fault
from headrace.exact_json import dumps
from headrace.lines import Request, check_request, parse_line
from headrace.store.jobs import NewJob
from headrace.tags import TagSets
from headrace.tokens import PREAMBLE_AT_MOST, bound_of_text
from tests.any_json import ANY_JSON, PATIENTLY
from tests.exactly import ODD_NUMBERS

CHAT = "/v1/chat/completions"
BODY = {"model": "small-model", "messages": [{"role": "user", "content": "你好"}], "max_tokens": 50}
LINE = {"custom_id": "one", "method": "POST", "url": CHAT, "body": BODY}


def any_model(_name):
    return True


def parsed(line, endpoint=CHAT, knows_model=any_model):
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    return parse_line(raw, 7, endpoint, knows_model)


def fault_of(body, endpoint=CHAT):
    fault = body_fault(endpoint, body, any_model)
    return fault and (fault.code, fault.param)


def test_a_good_line_becomes_a_job():
    job = parsed(LINE)

    assert isinstance(job, NewJob)
    assert (job.line, job.custom_id, job.endpoint, job.lane) == (7, "one", CHAT, "small-model")
    assert (job.prompt_estimate, job.completion_cap) == (8, 50)
    assert job.body == json.dumps(BODY)
    assert (job.tokens_at_most, job.open_answers) == (len(dumps(BODY).encode()) + PREAMBLE_AT_MOST + 50, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b'{"custom_id": ',
        b'{"a": NaN}',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b"[]",
        b"7",
        b"null",
        b'"text"',
    ],
)
def test_what_is_no_json_object_is_an_invalid_line(raw):
    fault = parsed(raw)

    assert isinstance(fault, Fault)
    assert fault.code == "invalid_json_line"
    assert fault.as_error(7) == {
        "code": "invalid_json_line",
        "message": fault.message,
        "param": None,
        "line": 7,
    }


def test_json_that_does_not_parse_is_told_in_openais_words():
    assert parsed(b"{") == Fault("invalid_json_line", "This line is not parseable as valid JSON.")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b'{"a": NaN}', "NaN is no JSON"), (b'{"a":' * 100_000, "it is nested too deep")],
)
def test_json_that_some_would_take_is_refused_with_the_reason(raw, reason):
    fault = parsed(raw)

    assert fault == Fault("invalid_json_line", f"This line is not parseable as valid JSON: {reason}.")


@pytest.mark.parametrize("name", ["custom_id", "method", "url", "body"])
@pytest.mark.parametrize("absent", [True, False])
def test_a_missing_field_is_named(name, absent):
    line = {**LINE, name: None}
    if absent:
        del line[name]

    fault = parsed(line)

    assert fault == Fault("missing_required_parameter", f"Missing required parameter: '{name}'.", name)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"custom_id": ""}, "invalid_request", "custom_id"),
        ({"custom_id": 7}, "invalid_request", "custom_id"),
        ({"custom_id": "a\0b"}, "invalid_request", "custom_id"),
        ({"custom_id": "cut \ud83d"}, "invalid_request", "custom_id"),
        ({"custom_id": True}, "invalid_request", "custom_id"),
        ({"custom_id": ["a"]}, "invalid_request", "custom_id"),
        ({"custom_id": "x" * (MAX_NAME_CHARACTERS + 1)}, "invalid_request", "custom_id"),
        ({"method": "GET"}, "invalid_method", "method"),
        ({"method": "post"}, "invalid_method", "method"),
        ({"method": ""}, "invalid_method", "method"),
        ({"method": 1.5}, "invalid_method", "method"),
        ({"method": ["POST"]}, "invalid_method", "method"),
        ({"url": "/v1/embeddings"}, "invalid_url", "url"),
        ({"url": {}}, "invalid_url", "url"),
        ({"url": ""}, "invalid_url", "url"),
        ({"url": f"{CHAT}/"}, "invalid_url", "url"),
        ({"url": f"{CHAT}?a=b"}, "invalid_url", "url"),
        ({"url": f"https://api.openai.com{CHAT}"}, "invalid_url", "url"),
        ({"url": CHAT.upper()}, "invalid_url", "url"),
        ({"body": {}}, "invalid_request", "body.model"),
        ({"body": 7}, "invalid_request", "body"),
        ({"body": "text"}, "invalid_request", "body"),
        ({"body": []}, "invalid_request", "body"),
    ],
)
def test_a_wrong_field_is_named(change, code, param):
    fault = parsed({**LINE, **change})

    assert isinstance(fault, Fault)
    assert (fault.code, fault.param) == (code, param)


def test_a_request_may_be_for_any_of_several_endpoints():
    embed = {**LINE, "url": "/v1/embeddings", "body": {"model": "m", "input": "text"}}

    assert isinstance(check_request(embed, 1, ENDPOINTS, any_model), NewJob)
    assert isinstance(check_request({**embed, "url": "/v1/other"}, 1, ENDPOINTS, any_model), Fault)


@pytest.mark.parametrize("model", [None, "", 7, [], "a\0b", "cut \ud83d", "x" * (MAX_NAME_CHARACTERS + 1)])
def test_a_body_without_a_model_name_is_refused(model):
    assert fault_of({**BODY, "model": model}) == ("invalid_request", "body.model")


def test_a_model_that_is_not_configured_is_refused_by_name():
    fault = parsed(LINE, knows_model=lambda name: name == "other-model")

    assert isinstance(fault, Fault)
    assert (fault.code, fault.param) == ("model_not_found", "body.model")
    assert "small-model" in fault.message


@pytest.mark.parametrize("stream", [True, 1, "yes", 0.5, [False], {"a": 1}])
def test_a_request_that_streams_is_refused(stream):
    assert fault_of({**BODY, "stream": stream}) == ("streaming_unsupported", "body.stream")


@pytest.mark.parametrize("stream", [False, None])
def test_a_request_that_says_it_does_not_stream_says_so_to_the_provider_too(stream):
    job = parsed({**LINE, "body": {**BODY, "stream": stream, "stream_options": None}})

    assert isinstance(job, NewJob)
    assert json.loads(job.body) == {**BODY, "stream": stream, "stream_options": None}


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda text: text[:30])
def test_a_body_keeps_its_numbers_to_the_letter(number):
    body = f'{{"model":"m","messages":[{{"content":"Hi"}}],"max_tokens":{number},"x":[{number},"{number}"]}}'

    job = parsed(f'{{"custom_id": "a", "method": "POST", "url": "{CHAT}", "body": {body}}}'.encode())

    assert isinstance(job, NewJob)
    assert job.body == body


def test_half_a_character_where_a_prompt_was_cut_is_sent_on_as_it_came():
    job = parsed({**LINE, "body": {**BODY, "messages": [{"role": "user", "content": "cut \ud83d"}]}})

    assert isinstance(job, NewJob)
    assert r'"content":"cut \ud83d"' in job.body
    assert job.prompt_estimate > 0
    assert bound_of_text(CHAT, job.body).at_most(100) > 0


def test_of_a_name_that_is_twice_in_a_line_the_last_value_is_checked_and_alone_is_sent():
    prompt = '"messages": [{"content": "a", "content": "b"}]'
    line = f'{{"custom_id": "a", "method": "GET", "url": "{CHAT}", "method": "POST", "body": [], "body": '

    job = parsed(
        f'{line}{{"model": "dear", {prompt}, "model": "cheap"}}}}'.encode(), knows_model="cheap".__eq__
    )

    assert isinstance(job, NewJob)
    assert job.body == '{"model":"cheap","messages":[{"content":"b"}]}'


def nested(levels):
    """A body that is `levels` deep, itself counted."""
    inner: object = 1
    for level in range(levels - 1):
        inner = [inner] if level % 2 else {"a": inner}
    return {**BODY, "x": inner}


def test_a_body_may_be_nested_as_deep_as_allowed_and_no_deeper():
    assert fault_of(nested(MAX_DEPTH)) is None
    assert fault_of(nested(MAX_DEPTH + 1)) == ("invalid_request", "body")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_embeddings_complete_nothing(endpoint):
    job = Request(None, endpoint, "m", {"model": "m", "input": "text"}).job(1, TagSets())

    assert job.completion_cap == (0 if endpoint == "/v1/embeddings" else None)
    assert job.open_answers == (0 if endpoint == "/v1/embeddings" else 1)


@PATIENTLY
@given(st.dictionaries(st.sampled_from(["custom_id", "method", "url", "body"]), ANY_JSON | st.just(BODY)))
def test_any_object_becomes_a_job_or_a_fault(request):
    assert isinstance(check_request({**LINE, **request}, 1, (CHAT,), any_model), NewJob | Fault)


@PATIENTLY
@given(
    st.dictionaries(st.sampled_from(["model", "messages", "stream", "tools", "n", "max_tokens"]), ANY_JSON)
)
def test_any_body_becomes_a_job_or_a_fault(body):
    assert isinstance(
        check_request({**LINE, "body": {**BODY, **body}}, 1, (CHAT,), any_model), NewJob | Fault
    )
