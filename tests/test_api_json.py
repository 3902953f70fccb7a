"""JSON bodies that are parsed, and still refused: too deep, or with a name twice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from anyio import CapacityLimiter

from api import payloads
from headrace.bodies import MAX_DEPTH
from headrace.settings import MEBIBYTE
from tests.api_server import DEADLINE_SECONDS, refusal
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

JSON = {"content-type": "application/json"}
MESSAGES = '"messages": [{"role": "user"}]'

both_paths = pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches"])


def post(api, path, text):
    return api.call("POST", path, data=text.encode(), headers=JSON)


def nested(depth):
    """A value of so many levels."""
    return "[" * depth + "]" * depth


@on_sqlite
@both_paths
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 260, 1000, 100_000])
def test_a_body_that_is_nested_too_deep_is_refused(api, path, depth):
    response = post(api, path, f'{{"a": {nested(depth)}}}')

    assert response.status_code == 400
    assert "nested" in refusal(response)["message"] or "JSON" in refusal(response)["message"]


@on_sqlite
@pytest.mark.parametrize(("depth", "status"), [(MAX_DEPTH - 1, 200), (MAX_DEPTH, 400)])
def test_the_body_of_a_request_has_the_same_depth_alone_and_in_a_list(api, depth, status):
    body = f'{{"model": "m", {MESSAGES}, "deep": {nested(depth)}}}'

    alone = post(api, "/v1/jobs", body)
    listed = post(api, "/v1/jobs", f'[{{"url": "/v1/chat/completions", "body": {body}}}]')

    assert (alone.status_code, listed.status_code) == (status, status)


@on_sqlite
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


@on_sqlite
def test_the_same_name_in_two_objects_is_fine_and_so_is_a_huge_number(api):
    body = f'{{"model": "m", {MESSAGES}, "metadata": {{"model": "x"}}, "n": 1e40, "m": {"9" * 300}}}'

    assert post(api, "/v1/jobs", body).status_code == 200


@on_sqlite
def test_a_large_body_is_looked_at_in_reasonable_time(api):
    text = ", ".join(f'"name-{number}": {{"a": [{number}], "b": "text"}}' for number in range(200_000))
    began = time.monotonic()

    assert post(api, "/v1/jobs", f"{{{text}}}").status_code == 400

    assert time.monotonic() - began < 20


@on_sqlite
@pytest.mark.parametrize(
    "path",
    [
        "/v1/batches",
        "/v1/uploads",
        "/v1/uploads/upload_1/complete",
        "/v1/batches/batch_1/release",
        "/v1/jobs/job_1/release",
    ],
)
@pytest.mark.parametrize("sent", ["whole", "in pieces"])
def test_a_body_that_holds_no_requests_has_a_megabyte_at_most(api, path, sent):
    body = b"{}".ljust(MEBIBYTE)

    def answer(body):
        return api.call("POST", path, data=body if sent == "whole" else iter([body]), headers=JSON)

    assert answer(body).status_code in {400, 404}
    refused = answer(body + b" ")
    assert refused.status_code == 413
    assert f"{MEBIBYTE} bytes" in refusal(refused)["message"]


@on_sqlite
def test_large_bodies_are_parsed_two_at_a_time(api, monkeypatch):
    parsing, most, parsed = 0, [], payloads._parsed

    def counted(raw):
        nonlocal parsing
        parsing += 1
        most.append(parsing)
        try:
            time.sleep(0.2)
            return parsed(raw)
        finally:
            parsing -= 1

    monkeypatch.setattr(payloads, "_parsed", counted)
    body = f'{{"model": "m", {MESSAGES}}}'.ljust(2 * MEBIBYTE)
    with ThreadPoolExecutor(6) as senders:
        answers = list(senders.map(lambda _: post_alone(api, body), range(6)))

    assert answers == [200] * 6
    assert max(most) == 2


@on_sqlite
def test_who_waits_too_long_to_have_a_large_body_parsed_is_told_to_come_again(api, monkeypatch):
    monkeypatch.setattr(payloads, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(payloads, "PARSING", CapacityLimiter(1))
    go_on, begun, parsed = threading.Event(), threading.Event(), payloads._parsed

    def slow(raw):
        if len(raw) > MEBIBYTE:
            begun.set()
            assert go_on.wait(DEADLINE_SECONDS)
        return parsed(raw)

    monkeypatch.setattr(payloads, "_parsed", slow)
    body = f'{{"model": "m", {MESSAGES}}}'
    with ThreadPoolExecutor(1) as sender:
        first = sender.submit(post_alone, api, body.ljust(2 * MEBIBYTE))
        try:
            assert begun.wait(DEADLINE_SECONDS)
            refused = post(api, "/v1/jobs", body.ljust(2 * MEBIBYTE))
            small = post(api, "/v1/jobs", body)
        finally:
            go_on.set()

        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refusal(refused)["type"] == "service_unavailable_error"
        assert (small.status_code, first.result(DEADLINE_SECONDS)) == (200, 200)
        assert post_alone(api, body.ljust(2 * MEBIBYTE)) == 200


def post_alone(api, text):
    """The status of a job sent on a connection of its own."""
    headers = {**JSON, "authorization": f"Bearer {api.secret}"}
    return requests.post(
        f"{api.url}/v1/jobs", data=text.encode(), headers=headers, timeout=DEADLINE_SECONDS
    ).status_code
