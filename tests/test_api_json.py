"""JSON bodies that are parsed, and still refused: too deep, or with a name twice."""

import time

import pytest

from headrace.bodies import MAX_DEPTH
from tests.api_server import on_one_database, refusal

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

JSON = {"content-type": "application/json"}
MESSAGES = '"messages": [{"role": "user"}]'

both_paths = pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches"])


def post(api, path, text):
    return api.call("POST", path, data=text.encode(), headers=JSON)


def nested(depth):
    """A value of so many levels."""
    return "[" * depth + "]" * depth


@on_one_database
@both_paths
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 260, 1000, 100_000])
def test_a_body_that_is_nested_too_deep_is_refused(api, path, depth):
    response = post(api, path, f'{{"a": {nested(depth)}}}')

    assert response.status_code == 400
    assert "nested" in refusal(response)["message"] or "JSON" in refusal(response)["message"]


@on_one_database
@pytest.mark.parametrize(("depth", "status"), [(MAX_DEPTH - 1, 200), (MAX_DEPTH, 400)])
def test_the_body_of_a_request_has_the_same_depth_alone_and_in_a_list(api, depth, status):
    body = f'{{"model": "m", {MESSAGES}, "deep": {nested(depth)}}}'

    alone = post(api, "/v1/jobs", body)
    listed = post(api, "/v1/jobs", f'[{{"url": "/v1/chat/completions", "body": {body}}}]')

    assert (alone.status_code, listed.status_code) == (status, status)


@on_one_database
@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("/v1/batches", '{"endpoint": "/v1/embeddings", "endpoint": "/v1/responses"}', "endpoint"),
        ("/v1/jobs", f'{{"model": "cheap", {MESSAGES}, "model": "dear"}}', "model"),
        ("/v1/jobs", f'[{{"body": {{"model": "cheap", {MESSAGES}, "mod\\u0065l": 1}}}}]', "model"),
        ("/v1/jobs/job_1/release", '{"to": "fail", "to": "queue"}', "to"),
    ],
)
def test_a_name_that_is_twice_in_one_object_is_refused(api, path, text, name):
    response = post(api, path, text)

    assert response.status_code == 400
    assert (refusal(response)["param"], refusal(response)["code"]) == (name, "duplicate_name")
    assert f"'{name}'" in refusal(response)["message"]


@on_one_database
def test_the_same_name_in_two_objects_is_fine_and_so_is_a_huge_number(api):
    body = f'{{"model": "m", {MESSAGES}, "metadata": {{"model": "x"}}, "n": 1e40, "m": {"9" * 300}}}'

    assert post(api, "/v1/jobs", body).status_code == 200


@on_one_database
def test_a_large_body_is_looked_at_in_reasonable_time(api):
    text = ", ".join(f'"name-{number}": {{"a": [{number}], "b": "text"}}' for number in range(200_000))
    began = time.monotonic()

    assert post(api, "/v1/jobs", f"{{{text}}}").status_code == 400

    assert time.monotonic() - began < 20
