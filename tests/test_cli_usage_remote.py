"""`headrace usage --url`: the report of a headrace that runs, as far as its key may see."""

import json
from functools import partial

import pytest

from tests.commands import in_process
from tests.kinds import on_sqlite
from tests.spent import CALL, LOST, MILL, UNPRICED, names, spend

pytest_plugins = ["tests.databases", "tests.api_fixtures", "tests.nowhere"]
pytestmark = on_sqlite

ALL = ("--json", "--since", "2020-01-01", "--until", "2100-01-01")


@pytest.fixture
def headrace(api, store, monkeypatch, capfd):
    """Runs `headrace usage` with the key of the API's client; there are its calls, and one of another key."""
    names(store.db)
    spend(store.db, api.key_id, 0, CALL, CALL, price_id=MILL.id, tags_id="t-red", batch_id="batch_1")
    spend(store.db, api.key_id, 30, CALL, LOST, price_id=MILL.id, tags_id="t-blue")
    spend(store.db, api.key_id, 60, UNPRICED, model="small")
    spend(store.db, "key_other", 60, UNPRICED, model="secret")
    monkeypatch.setenv("HEADRACE_DATABASE_URL", store.db.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HEADRACE_API_KEY", api.secret)
    return partial(in_process, monkeypatch, capfd, "usage")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--by", "day"),
        ("--by", "key", "--by", "batch", "--by", "route"),
        ("--by", "tag:team", "--by", "hour", "--by", "month"),
        ("--model", "small"),
        ("--batch", "batch_1"),
    ],
    ids=" ".join,
)
def test_it_is_what_the_database_says_of_the_key(headrace, api, options):
    status, told, _ = headrace(*ALL, *options, "--url", api.url)
    here = json.loads(headrace(*ALL, *options, "--key", api.key_id)[1])

    there = json.loads(told)
    for row in here["rows"]:
        row["group"].pop("key name", None)
    here["by"] = [name for name in here["by"] if name != "key name"]
    assert status == 0
    assert there == here
    assert there["total"]["calls"]


def test_other_keys_are_refused_and_so_is_what_needs_the_database(headrace, api):
    status, told, why = headrace("--key", "key_other", "--url", api.url)
    assert (status, told) == (1, "")
    assert "admin key" in why

    assert headrace("--verify", "--url", api.url)[0] == 2
