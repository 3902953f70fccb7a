"""Whatever goes wrong, the answer is the envelope (contract 4.8)."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import openai
import psycopg
import pytest
import requests
from sqlalchemy import make_url

from headrace.store import keys
from tests.api_server import DEADLINE_SECONDS, refusal, running_api, wait_until
from tests.kinds import on_sqlite
from tests.servers import for_psycopg

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

JSON = {"content-type": "application/json"}
BATCH = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files"),
        ("POST", "/v1/files"),
        ("GET", "/v1/files/file-1/content"),
        ("POST", "/v1/batches"),
        ("GET", "/v1/batches/batch_1/results"),
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs?limit=nonsense"),
        ("GET", "/v1/models"),
    ],
)
def test_nothing_is_answered_without_a_key(api, method, path):
    missing = requests.request(method, api.url + path, timeout=DEADLINE_SECONDS)
    basic = requests.request(method, api.url + path, auth=("me", "secret"), timeout=DEADLINE_SECONDS)
    wrong = api.call(method, path, key="hr-wrong")

    for response in (missing, basic, wrong):
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert refusal(response)["code"] == "invalid_api_key"
    assert refusal(missing)["message"] == refusal(basic)["message"] != refusal(wrong)["message"]
    assert "hr-wrong" not in wrong.text


def test_a_revoked_key_stops_at_once(api, store):
    assert api.call("GET", "/v1/files").status_code == 200
    with store.db.begin() as session:
        assert keys.revoke(session, store.key_id)

    with pytest.raises(openai.AuthenticationError):
        api.sdk().files.list()


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("POST", "/v1/chat/completions", 404),
        ("GET", "/v1/files/", 404),
        ("GET", "/v1/files/a/b", 404),
        ("PUT", "/v1/files", 405),
        ("DELETE", "/v1/batches/batch_1", 405),
        ("GET", "/v1/batches/batch_1/cancel", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_a_route_that_is_not_there_has_an_envelope_too(api, method, path, status):
    response = api.call(method, path)

    assert response.status_code == status
    error = refusal(response)
    assert path in error["message"]
    assert method in error["message"]
    assert error["type"] == "invalid_request_error"
    assert ("allow" in response.headers) == (status == 405)


@on_sqlite
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/jobs"])
@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"{", b"nonsense", b'{"n": NaN}', b'{"n": Infinity}', b'"\xff"', b'"\\ud800"', b"[" * 5000],
)
def test_a_body_that_is_no_json_is_refused(api, path, body):
    response = api.call("POST", path, data=body, headers=JSON)

    assert response.status_code == 400
    refusal(response)


@on_sqlite
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/jobs"])
def test_a_body_that_is_not_said_to_be_json_is_refused(api, path):
    response = api.call("POST", path, data={"a": "b"})

    assert response.status_code == 415
    assert "application/x-www-form-urlencoded" in refusal(response)["message"]


@on_sqlite
@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", None])
def test_json_may_be_announced_in_any_way(api, kind):
    body = json.dumps(BATCH).encode()

    assert api.call("POST", "/v1/batches", data=body, headers={"content-type": kind}).status_code == 200


@on_sqlite
def test_a_body_may_be_as_large_as_the_limit_and_not_a_byte_larger(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path, max_body_bytes=100_000) as api:
        body = json.dumps(BATCH).encode().ljust(100_000)

        assert api.call("POST", "/v1/batches", data=body, headers=JSON).status_code == 200
        for more in (b" ", b" " * 5_000_000):
            response = api.call("POST", "/v1/batches", data=body + more, headers=JSON)
            assert response.status_code == 413
            assert "100000 bytes" in refusal(response)["message"]


def test_an_empty_body_that_claims_to_be_json_is_fine_where_none_is_needed(api, store):
    response = api.call(
        "POST", f"/v1/batches/{store.batch()}/cancel", headers={**JSON, "content-length": "0"}
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/a%00b",
        "/v1/files?after=%00",
        "/v1/files?purpose=%00",
        "/v1/batches/a%00/cancel",
        "/v1/batches?after=a%00",
        "/v1/jobs?batch=%00",
        "/v1/models/a%00",
    ],
)
def test_nul_which_postgresql_cannot_store_is_refused(api, path):
    response = api.call("POST" if path.endswith("cancel") else "GET", path)

    assert response.status_code == 400
    assert "NUL" in refusal(response)["message"]


def test_every_answer_has_an_id_of_its_own_and_the_sdk_shows_it(api):
    answers = [api.call("GET", path) for path in ("/healthz", "/v1/files", "/v1/files/none", "/none")]
    ids = {response.headers["x-request-id"] for response in answers}
    made = api.sdk().batches.create(**BATCH)

    assert len(ids) == 4
    assert str(made._request_id).startswith("req_")
    with pytest.raises(openai.NotFoundError) as caught:
        api.sdk().batches.retrieve("batch_nothere")
    assert str(caught.value.request_id).startswith("req_")


def test_our_own_failure_is_logged_and_told_without_its_trace(api, store, caplog):
    batch_id = store.new_batch()
    store.set_batch(batch_id, metadata=["not", "a", "map"])

    with caplog.at_level(logging.ERROR):
        response = api.call("GET", f"/v1/batches/{batch_id}")

    assert response.status_code == 500
    assert refusal(response)["type"] == "server_error"
    assert "Traceback" not in response.text
    assert "metadata" not in response.text
    request_id = response.headers["x-request-id"]
    wait_until(lambda: request_id in caplog.text, "the log to name the request")
    (logged,) = (record for record in caplog.records if request_id in record.message)
    assert logged.exc_info


WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def database_away(store):
    """Nobody can connect to the test's PostgreSQL database, and nobody is connected any more."""
    url = store.db.engine.url
    server = make_url(url).set(drivername="postgresql", database="postgres")
    store.db.close()
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database]
        )
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true')


def test_a_database_that_is_away_is_a_503_to_try_again(postgresql, redis_client_url, tmp_path):
    with running_api(postgresql.db, redis_client_url, tmp_path) as api:
        assert api.call("GET", "/v1/files").status_code == 200

        with database_away(postgresql):
            response = api.call("GET", "/v1/files")

            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            assert refusal(response)["type"] == "service_unavailable_error"
            assert api.call("GET", "/healthz").status_code == 200
            ready = api.call("GET", "/readyz")
            assert ready.status_code == 503
            assert "HEADRACE_DATABASE_URL" in ready.json()["checks"]["database"]

        assert api.call("GET", "/v1/files").status_code == 200


def test_a_connection_that_is_ended_in_the_middle_of_a_request_is_a_503(
    postgresql, redis_client_url, tmp_path
):
    url = for_psycopg(postgresql.db.engine.url)
    with (
        running_api(postgresql.db, redis_client_url, tmp_path) as api,
        psycopg.connect(url) as locker,
        psycopg.connect(url, autocommit=True) as administrator,
        ThreadPoolExecutor(1) as background,
    ):
        locker.execute("LOCK TABLE batches IN ACCESS EXCLUSIVE MODE")
        asked = background.submit(api.call, "GET", "/v1/batches")
        wait_until(lambda: administrator.execute(WAITING).fetchone(), "the request to wait for the lock")

        administrator.execute(f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting")

        response = asked.result(DEADLINE_SECONDS)
        assert (response.status_code, int(response.headers["retry-after"]) >= 1) == (503, True)
        locker.rollback()
        assert api.call("GET", "/v1/batches").status_code == 200
