"""The commands that look into the database themselves, and those that need nothing at all."""

from functools import partial

import pytest

from headrace import __version__
from headrace.db import Database
from headrace.migrations import is_current
from headrace.store import keys
from tests.commands import in_process


@pytest.fixture
def headrace(database_url, monkeypatch, capfd):
    """Runs a command on an empty database; returns its exit status, standard output and standard error."""
    monkeypatch.setenv("HEADRACE_DATABASE_URL", database_url)
    return partial(in_process, monkeypatch, capfd)


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    yield database
    database.close()


def test_migrate_makes_the_schema_and_may_be_repeated(headrace, database):
    for _ in range(2):
        assert headrace("migrate") == (0, "the database is up to date\n", "")

    assert is_current(database.engine)


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked_once(headrace, database):
    headrace("migrate")

    status, secret, told = headrace("keys", "create", "team [red]")
    secret = secret.strip()

    assert status == 0
    with database.read() as session:
        key = keys.find(session, secret)
    assert key
    assert told == f"{key.id} is made; this is its secret, which is shown once:\n"
    status, listed, _ = headrace("keys", "list")
    assert status == 0
    assert key.id in listed
    assert "team [red]" in listed
    assert secret not in listed
    assert headrace("keys", "revoke", key.id) == (0, f"{key.id} is revoked\n", "")
    assert headrace("keys", "revoke", key.id) == (1, "", f"error: there is no live key {key.id}\n")
    with database.read() as session:
        assert keys.find(session, secret) is None


def test_an_admin_key_is_told_by_its_secret_and_in_the_list(headrace, database):
    headrace("migrate")

    _, secret, _ = headrace("keys", "create", "bookkeeping", "--admin")
    headrace("keys", "create", "team")

    assert secret.startswith("hr-admin-")
    with database.read() as session:
        admin = keys.find(session, secret.strip())
        assert admin is not None
        assert admin.is_admin
        assert [key.is_admin for key in keys.list_all(session)] == [True, False]
    _, listed, _ = headrace("keys", "list")
    assert [("admin" in line, admin.id in line) for line in listed.splitlines() if "key_" in line] == [
        (True, True),
        (False, False),
    ]
    assert secret.strip() not in listed


def test_without_tables_it_says_what_to_do(headrace, database):
    with database.engine.connect():
        pass  # SQLite makes the file
    told = "error: the database has not the schema of this version: run `headrace migrate`\n"

    assert headrace("keys", "list") == (2, "", told)


@pytest.mark.parametrize(
    ("url", "status", "told"),
    [
        (
            "mysql://nowhere/it",
            2,
            "error: HEADRACE_DATABASE_URL must start with sqlite:/// or postgresql://\n",
        ),
        ("nonsense", 2, "error: HEADRACE_DATABASE_URL is no database URL\n"),
        ("postgresql://127.0.0.1:9/it", 1, "error: the database: connection failed: "),
    ],
)
def test_a_database_that_cannot_be_had_is_one_line(monkeypatch, capfd, url, status, told):
    monkeypatch.setenv("HEADRACE_DATABASE_URL", url)

    found = in_process(monkeypatch, capfd, "keys", "list")

    assert found[0] == status
    assert found[2].startswith(told)
    assert len(found[2].splitlines()) == 1


def test_the_version(monkeypatch, capfd):
    assert in_process(monkeypatch, capfd, "--version") == (0, f"headrace {__version__}\n", "")


@pytest.mark.parametrize(
    "wrong", [["nonsense"], ["run"], ["up", "--port", "-1"], ["batches", "--limit", "0"]]
)
def test_wrong_usage_ends_with_2(monkeypatch, capfd, wrong):
    status, _, told = in_process(monkeypatch, capfd, *wrong)

    assert status == 2
    assert "Error" in told
