"""The servers that other tests stand on are real, can crash, and do not outlive the tests."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
import sqlalchemy

from tests import servers

ROOT = Path(__file__).parent.parent

RUN_A_SERVER_FOR_EVER = """
import sys, time
from tests import servers
with getattr(servers, sys.argv[1])() as server:
    print(server.url, server.folder, flush=True)
    time.sleep(100)
"""


def test_valkey_is_valkey_9(redis_client_url):
    with redis.Redis.from_url(redis_client_url, decode_responses=True) as client:
        assert client.ping()
        assert client.info("server")["valkey_version"].startswith("9.")


@pytest.mark.parametrize("_again", [1, 2])
def test_each_test_has_a_logical_database_of_its_own(redis_client_url, _again):
    with redis.Redis.from_url(redis_client_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_postgresql_is_postgresql_18(postgres_url):
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect() as connection:
        version = connection.scalar(sqlalchemy.text("SELECT version()"))
    engine.dispose()

    assert version.startswith("PostgreSQL 18")


@pytest.mark.parametrize("_again", [1, 2])
def test_each_test_has_an_empty_database(database_url, _again):
    engine = sqlalchemy.create_engine(database_url)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE left_behind (id INTEGER)"))
    engine.dispose()


def test_a_killed_valkey_has_forgotten_all_and_comes_back_on_its_port():
    with servers.valkey() as server, redis.Redis.from_url(server.url) as client:
        client.set("hint", "gone")

        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()

        assert client.get("hint") is None


def test_a_killed_postgresql_comes_back_with_what_was_committed():
    with servers.postgres() as server:
        plain = server.url.replace("+psycopg", "")
        with psycopg.connect(plain) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

        server.kill()
        server.start()

        with psycopg.connect(plain) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.parametrize("kind", ["valkey", "postgres"])
def test_servers_end_with_tests_that_are_killed(kind):
    with subprocess.Popen(
        [sys.executable, "-c", RUN_A_SERVER_FOR_EVER, kind], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout
        url, folder = tests.stdout.readline().split()
        assert Path(folder).is_dir()

        tests.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 20
    while Path(folder).exists():
        assert time.monotonic() < deadline, "its folder is still there"
        time.sleep(0.05)
    with pytest.raises((redis.ConnectionError, sqlalchemy.exc.OperationalError)):
        redis.Redis.from_url(url).ping() if kind == "valkey" else sqlalchemy.create_engine(url).connect()


def test_a_missing_server_skips_on_a_laptop(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="some server is missing"):
        servers.missing("some server")


def test_a_missing_server_fails_in_ci(monkeypatch):
    monkeypatch.setitem(os.environ, "CI", "true")
    with pytest.raises(pytest.fail.Exception, match="some server is missing"):
        servers.missing("some server")
