"""Uploads that are not what they should be: refused with the reason, and without a trace."""

import openai
import pytest

from tests.api_server import refusal
from tests.kinds import on_sqlite
from tests.multipart_bodies import END, FILE, LINES, MULTIPART, PURPOSE, part

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

MISSING = "missing_required_parameter"


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"purpose": "everything"}, "purpose", "invalid_value"),
        ({"purpose": "batch_output"}, "purpose", "invalid_value"),
        ({"purpose": ""}, "purpose", "invalid_value"),
        ({"purpose": "x" * 5000}, "purpose", None),
        ({"expires_after": "never"}, "expires_after", "invalid_type"),
        ({"expires_after": "never", "expires_after[seconds]": "3600"}, "expires_after.anchor", MISSING),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds", MISSING),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor", MISSING),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"},
            "expires_after.seconds",
            "integer_above_max_value",
        ),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "long"},
            "expires_after.seconds",
            "invalid_type",
        ),
        (
            {"expires_after[anchor]": "last_active_at", "expires_after[seconds]": "3600"},
            "expires_after.anchor",
            "invalid_value",
        ),
    ],
)
def test_a_field_that_is_wrong_is_named_and_nothing_is_kept(api, fields, param, code):
    response = api.upload(LINES, **fields)

    assert response.status_code == 400
    error = refusal(response)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert api.stored() == []


@on_sqlite
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("upload", LINES, "Must be .jsonl"),
        ("input.json", LINES, "Must be .jsonl"),
        ("input.jsonl", b"", "is empty"),
        ("input.jsonl", b"\n" + LINES, "first line is not valid JSON"),
        ("input.jsonl", b"custom_id,body\n1,2\n", "first line is not valid JSON"),
        ("input.jsonl", b'[\n{"custom_id": "a"}\n]\n', "first line is not valid JSON"),
        ("input.jsonl", b'{"n": NaN}\n', "first line is not valid JSON"),
        ("input.jsonl", b"\xff\xfe{\x00}\x00\n\x00", "first line is not valid JSON"),
    ],
)
def test_what_cannot_be_a_batch_input_is_refused_with_the_reason(api, name, content, words):
    response = api.upload(content, name=name)

    assert response.status_code == 400
    error = refusal(response)
    assert error["message"].startswith("Invalid file format for Batch API. Must be .jsonl")
    assert words in error["message"]
    assert (error["param"], error["code"]) == (None, None)
    assert api.stored() == []


def test_raw_bytes_of_the_sdk_have_no_name_and_are_refused(api):
    with pytest.raises(openai.BadRequestError, match=r"Must be \.jsonl"):
        api.sdk().files.create(file=LINES, purpose="batch")


@pytest.mark.parametrize("content", [LINES + b"not json\n", b"\xef\xbb\xbf" + LINES])
def test_what_the_batch_will_say_is_not_the_uploads_business(api, content):
    assert api.upload(content).json()["status"] == "processed"


@on_sqlite
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (FILE + END, "purpose"),
        (PURPOSE + END, "file"),
        (PURPOSE + part("file", LINES) + END, "file"),
        (PURPOSE + FILE + FILE + END, "file"),
        (PURPOSE + part("file", LINES, "a\0.jsonl") + END, "file"),
        (PURPOSE + FILE, None),
        (PURPOSE + FILE[:-10], None),
        (b"no boundary at all", None),
        (b"", None),
        (part("more", b"") * 20 + PURPOSE + FILE + END, None),
    ],
)
def test_a_multipart_body_that_is_not_whole_and_right_is_refused(api, body, param):
    response = api.call("POST", "/v1/files", data=body, headers=MULTIPART)

    assert response.status_code == 400
    assert refusal(response)["param"] == param
    assert api.stored() == []


@on_sqlite
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("application/octet-stream", 415),
        ("multipart/mixed; boundary=x", 415),
        ("multipart/form-data", 400),
        (f"multipart/form-data; boundary={'x' * 500}", 400),
    ],
)
def test_a_body_of_another_kind_is_refused(api, content_type, status):
    response = api.call(
        "POST", "/v1/files", data=PURPOSE + FILE + END, headers={"content-type": content_type}
    )

    assert response.status_code == status
    refusal(response)
    assert api.stored() == []
