"""Result lines (contract 3.2, 3.3)."""

import json
from types import SimpleNamespace

import pytest

from headrace.output import output_line
from headrace.store.reading import RESULT_FIELDS


def row(**values):
    """A finished job as the store hands it over."""
    fields = {"id": 7, "result_no": 3, "line": 2, "custom_id": "q-1", "state": "succeeded"}
    return SimpleNamespace(**{**dict.fromkeys(RESULT_FIELDS), **fields, **values})


def written(**values):
    line = output_line(row(**values))
    assert line.endswith(b"\n")
    return json.loads(line)


def test_an_answer_is_the_response_and_no_error():
    line = written(status_code=200, request_id="req_1", answer='{"choices": []}')

    assert line == {
        "id": "batch_req_7",
        "custom_id": "q-1",
        "response": {"status_code": 200, "request_id": "req_1", "body": {"choices": []}},
        "error": None,
    }


def test_a_providers_refusal_is_a_response_too_and_the_error_is_in_its_body():
    refused = '{"error": {"message": "too long", "type": "t", "param": null, "code": "c"}}'
    line = written(
        state="failed",
        status_code=400,
        request_id="req_1",
        answer=refused,
        error_code="c",
        error_message="too long",
    )

    assert line["response"]["status_code"] == 400
    assert line["response"]["body"]["error"]["code"] == "c"
    assert line["error"] is None


@pytest.mark.parametrize(
    ("state", "code"), [("expired", "batch_expired"), ("cancelled", "batch_cancelled"), ("failed", "timeout")]
)
def test_a_job_without_an_answer_has_an_error_and_no_response(state, code):
    line = written(state=state, error_code=code, error_message="It was not run.")

    assert line["response"] is None
    assert line["error"] == {"code": code, "message": "It was not run."}


def test_an_answer_that_was_no_json_is_an_error_although_it_had_a_status():
    line = written(state="failed", status_code=200, error_code="invalid_answer", error_message="<html>")

    assert line["response"] is None
    assert line["error"]["code"] == "invalid_answer"


def test_an_answer_without_a_result_is_kept_beside_the_error():
    told = {"code": "invalid_answer", "message": "The answer has no usable 'choices'"}
    line = written(
        state="failed",
        status_code=200,
        answer='{"choices": null}',
        error_code=told["code"],
        error_message=told["message"],
    )

    assert line["response"] == {"status_code": 200, "request_id": "", "body": {"choices": None}}
    assert line["error"] == told


def test_a_provider_that_numbers_no_requests_leaves_an_empty_request_id():
    assert written(status_code=200, answer="{}")["response"]["request_id"] == ""


def test_the_body_is_what_the_provider_wrote_on_one_line():
    answer = '{\r\n  "text": "a\\nb 你好",\n  "exact": 0.10, "big": 123456789012345678901234567890\n}\n'
    line = output_line(row(status_code=200, answer=answer))

    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert b'"exact": 0.10, "big": 123456789012345678901234567890' in line
    assert json.loads(line)["response"]["body"] == json.loads(answer)


def test_a_line_has_one_end_for_readers_that_end_lines_elsewhere_too():
    odd = "a\x85b\u2028c\u2029d"
    line = output_line(row(custom_id=odd, status_code=200, answer=json.dumps({"x": odd}, ensure_ascii=False)))

    assert len(line.decode().splitlines()) == 1
    assert json.loads(line)["custom_id"] == odd
    assert json.loads(line)["response"]["body"] == {"x": odd}


def test_a_custom_id_of_any_characters_comes_back_as_it_was():
    custom_id = 'a "quoted"\nid \\ 你好 \U0001f600'

    assert written(custom_id=custom_id, answer="{}", status_code=200)["custom_id"] == custom_id
