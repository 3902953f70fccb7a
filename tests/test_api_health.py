"""Health and readiness."""

from contextlib import contextmanager
from datetime import timedelta

import requests
from sqlalchemy import text, update

from headrace.clock import now
from headrace.settings import Settings
from headrace.store import tables, workers
from tests.api_server import DEADLINE_SECONDS, running_api, serving
from tests.kinds import on_sqlite
from tests.servers import free_port

pytest_plugins = ["tests.databases", "tests.api_fixtures"]


@contextmanager
def stamped(store, revision):
    """The database says that its schema is of another revision."""
    stamp = text("UPDATE alembic_version SET version_num = :revision")
    with store.db.begin() as session:
        newest = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        session.execute(stamp, {"revision": revision})
    try:
        yield
    finally:
        with store.db.begin() as session:
            session.execute(stamp, {"revision": newest})


def ready(api):
    """The status of /readyz, and those of its checks that are not ok."""
    response = requests.get(f"{api.url}/readyz", timeout=DEADLINE_SECONDS)
    body = response.json()
    assert body["ready"] is (response.status_code == 200)
    assert set(body["checks"]) == {"database", "redis", "workers", "data_dir"}
    return response.status_code, {name: said for name, said in body["checks"].items() if said != "ok"}


def test_it_is_ready_when_all_parts_are_there_and_asks_for_no_key(api):
    assert requests.get(f"{api.url}/healthz", timeout=DEADLINE_SECONDS).json() == {"status": "ok"}
    assert ready(api) == (200, {})


def test_it_is_not_ready_while_no_worker_lives(api, store):
    with store.db.begin() as session:
        session.execute(update(tables.workers).values(seen_at=now() - timedelta(seconds=46)))

    status, wrong = ready(api)

    assert (status, list(wrong)) == (503, ["workers"])
    assert "celery -A worker worker" in wrong["workers"]
    with store.db.begin() as session:
        workers.register(session, "worker-2", host="here", pid=2)
    assert ready(api) == (200, {})


def test_it_is_not_ready_while_the_schema_is_older_than_this_version(api, store):
    with stamped(store, "0001"):
        status, wrong = ready(api)

    assert (status, list(wrong)) == (503, ["database"])
    assert "headrace migrate" in wrong["database"]


def test_a_schema_of_a_later_version_does_not_take_it_away(api, store):
    """An upgrade expands the schema first, and replaces the processes one after another."""
    with stamped(store, "9999"):
        assert ready(api) == (200, {})


def test_before_the_first_migration_it_says_what_to_do(database_url, redis_client_url, tmp_path):
    settings = Settings(database_url=database_url, redis_url=redis_client_url, data_dir=tmp_path)
    with serving(settings) as url:
        checks = requests.get(f"{url}/readyz", timeout=DEADLINE_SECONDS).json()["checks"]

    assert "headrace migrate" in checks["database"]
    assert checks["workers"] != "ok"


@on_sqlite
def test_it_is_not_ready_without_a_folder_to_write(store, redis_client_url, tmp_path):
    (tmp_path / "files").write_text("a file where the folder should be")

    with running_api(store.db, redis_client_url, tmp_path) as api:
        status, wrong = ready(api)

    assert (status, list(wrong)) == (503, ["data_dir"])
    assert "HEADRACE_DATA_DIR" in wrong["data_dir"]


@on_sqlite
def test_it_is_not_ready_with_less_room_than_a_call_needs(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path, min_free_bytes=10**18) as api:
        status, wrong = ready(api)

    assert (status, list(wrong)) == (503, ["data_dir"])
    assert "HEADRACE_MIN_FREE_BYTES" in wrong["data_dir"]
    assert "make room" in wrong["data_dir"]


@on_sqlite
def test_without_redis_it_is_not_ready_and_yet_takes_work_in(store, tmp_path):
    with running_api(store.db, f"redis://127.0.0.1:{free_port()}/0", tmp_path) as api:
        status, wrong = ready(api)
        job = api.call("POST", "/v1/jobs", json={"model": "m", "messages": [{"role": "user"}]})

    assert (status, list(wrong)) == (503, ["redis"])
    assert "HEADRACE_REDIS_URL" in wrong["redis"]
    assert (job.status_code, job.json()["state"]) == (200, "queued")


def test_a_busy_writer_does_not_hold_the_answer_up(api, store):
    """On SQLite a second writer waits half a minute for the first."""
    with store.db.begin() as session:
        session.execute(update(tables.workers).values(counter=1))
        assert ready(api) == (200, {})
        assert api.call("GET", "/v1/batches").status_code == 200
