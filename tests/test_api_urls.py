"""URLs and methods that nobody made, and how a client is told (contract 0 and 4.8)."""

import asyncio

import pytest

from api.request_ids import RequestIds
from headrace.bodies import ENDPOINTS
from tests.api_server import refusal
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]


@on_sqlite
@pytest.mark.parametrize("path", ENDPOINTS)
def test_who_wants_a_completion_at_once_is_told_to_send_a_job(api, path):
    error = refusal(api.call("POST", path, json={"model": "a", "messages": []}))

    assert (error["type"], error["code"]) == ("invalid_request_error", "unknown_url")
    assert "runs completions as jobs: POST /v1/jobs, or a batch of lines with this url." in error["message"]


@on_sqlite
@pytest.mark.parametrize("path", ["/v1/moderations", "/v1/images/generations"])
def test_who_wants_what_we_do_not_run_is_told_what_we_do(api, path):
    response = api.call("POST", path, json={"input": "a"})

    assert response.status_code == 404
    error = refusal(response)
    assert error["code"] == "unknown_url"
    assert all(endpoint in error["message"] for endpoint in ENDPOINTS)


@on_sqlite
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/files", "GET, HEAD, POST"),
        ("/v1/files/file-1", "GET, HEAD, DELETE"),
        ("/v1/batches", "GET, HEAD, POST"),
        ("/v1/batches/batch_1/cancel", "POST"),
        ("/healthz", "GET, HEAD"),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "PATCH", "TRACE"])
def test_a_method_that_is_not_there_is_answered_with_all_that_are(api, method, path, allowed):
    response = api.call(method, path)

    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert refusal(response)["code"] == "method_not_supported"


def test_head_is_get_without_its_body(api):
    file_id = api.upload(b"{}\n").json()["id"]
    for path in ("/healthz", "/v1/files", f"/v1/files/{file_id}/content", "/v1/files/none", "/none"):
        got, head = api.call("GET", path), api.call("HEAD", path)

        assert head.status_code == got.status_code
        assert head.content == b""
        assert head.headers["x-request-id"].startswith("req_")
        for name in ("content-type", "content-length"):
            assert head.headers[name] == got.headers[name]


@on_sqlite
@pytest.mark.parametrize(
    "path",
    ["/v1/files/", "/v1/batches/", "/v1//files", "/V1/files", "/v1/files/file-1/", "/v1/jobs/?limit=1"],
)
def test_a_url_that_is_nearly_right_is_not_guessed_at(api, path):
    response = api.call("GET", path, allow_redirects=False)

    assert response.status_code == 404
    assert refusal(response)["code"] == "unknown_url"


@pytest.mark.parametrize(
    "path",
    ["/v1/files/a%2Fb", "/v1/files/%FF%FE", "/v1/batches/%E2%98%83", "/v1/jobs/%20", "/v1/batches/%2E%2E"],
)
def test_an_id_of_strange_characters_is_one_that_does_not_exist(api, path):
    response = api.call("GET", path)

    assert response.status_code == 404
    refusal(response)


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "include[]=usage&include[]=errors",
        "limit[]=many",
        "limit=x&limit=2",
        "%FF=%FE&=&&a",
        "order=desc&model=gpt",
    ],
)
def test_parameters_that_we_do_not_know_are_ignored_and_the_last_of_several_counts(api, query):
    for path in ("/v1/files", "/v1/batches", "/v1/jobs", "/v1/models"):
        assert api.call("GET", f"{path}?{query}").status_code == 200


@on_sqlite
def test_an_id_that_a_client_gives_its_request_is_not_ours(api):
    response = api.call("GET", "/v1/models", headers={"x-request-id": "req_mine"})

    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["x-request-id"] != "req_mine"
    assert int(response.headers["openai-processing-ms"]) >= 0


def test_a_failure_outside_of_all_handlers_has_its_envelope_and_a_late_one_no_second_answer():
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.disconnect"}

    def answered_by(app):
        sent.clear()
        asyncio.run(RequestIds(app)({"type": "http", "method": "GET", "path": "/"}, receive, send))
        return sent

    async def failing(_scope, _receive, _send):
        raise RuntimeError

    async def ended_by_a_stop(_scope, _receive, _send):
        raise asyncio.CancelledError

    async def failing_late(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    start, body = answered_by(failing)
    assert start["status"] == 500
    assert b'"server_error"' in body["body"]
    assert any(name == b"x-request-id" for name, _ in start["headers"])
    with pytest.raises(asyncio.CancelledError):
        answered_by(ended_by_a_stop)
    assert sent[0]["status"] == 503
    assert b'"service_unavailable_error"' in sent[1]["body"]
    (start,) = answered_by(failing_late)
    assert start["status"] == 200
