"""What the database's engines promise at the edges of a transaction, and what they do with what is wrong."""

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError, StatementError

from headrace import failpoints
from headrace.db import Database
from headrace.errors import ConfigurationError
from headrace.failpoints import parsed
from headrace.postgres import one_host_each

pytest_plugins = ["tests.databases"]


@pytest.mark.parametrize(("place", "written"), [("before-commit", 0), ("after-commit", 1)])
def test_a_commit_may_fail_before_it_ran_or_without_a_word_after_it(store, monkeypatch, place, written):
    monkeypatch.setattr(failpoints, "_active", parsed(f"{place}=raise", seed=0))

    with pytest.raises(OperationalError, match="a failpoint"):
        store.inline()

    assert len(store.jobs()) == written
    store.inline()
    assert len(store.jobs()) == written + 1


def test_an_error_tells_no_prompt(store):
    secret = "the secret of the mill"

    with pytest.raises(StatementError) as caught, store.db.begin() as session:
        session.execute(text("INSERT INTO jobs (nothing_like_it) VALUES (:body)"), {"body": secret})

    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u:p@one:5432,two:5433/db", ("one:5432", "two:5433")),
        ("postgresql+psycopg://one,two/db", ("one", "two")),
        ("postgresql://u@one,two", ("one", "two")),
        ("postgresql://u@one,two/db?sslmode=require", ("one", "two")),
    ],
)
def test_several_hosts_may_be_written_as_libpq_does(url, hosts):
    parsed_url = make_url(one_host_each(url))

    assert parsed_url.query["host"] == hosts
    assert parsed_url.database in ("db", None, "")
    assert parsed_url.query.get("sslmode") == ("require" if "sslmode" in url else None)


@pytest.mark.parametrize("url", ["postgresql://u:a,b@one/db", "sqlite:////a,b/c.db", "postgresql://one/a,b"])
def test_a_comma_elsewhere_is_a_comma(url):
    assert one_host_each(url) == url


def test_a_port_that_is_no_number_is_refused_with_the_settings_name():
    with pytest.raises(ConfigurationError, match="HEADRACE_DATABASE_URL"):
        Database("postgresql://one:many/db")


def test_what_the_url_says_goes_before_our_options(postgresql_database_url):
    own = make_url(postgresql_database_url).update_query_dict({"options": "-c work_mem=5MB"})
    database = Database(own.render_as_string(hide_password=False))
    with database.read() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("SHOW work_mem").scalar() == "5MB"
    database.close()


def test_a_transaction_that_stands_still_is_ended_by_the_server(postgresql):
    with postgresql.db.read() as session:
        timeout = session.connection().exec_driver_sql("SHOW idle_in_transaction_session_timeout")
        assert timeout.scalar() == "30s"


def test_sqlite_keeps_its_log_small(sqlite_store):
    with sqlite_store.read() as session:
        limit = session.connection().exec_driver_sql("PRAGMA journal_size_limit")
        assert limit.scalar() == 64 * 1024 * 1024
