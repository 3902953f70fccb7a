"""`GET /v1/usage` and `GET /v1/costs`: what a key's calls used and cost, by what they have in common."""

import pytest

from headrace.clock import now
from headrace.money import NANOS
from headrace.store.postings import Posting
from tests.api_server import refusal
from tests.kinds import on_sqlite
from tests.spent import CALL, DAY, HOUR, LOST, MILL, START, UNPRICED, names, spend

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

ROUTE = "mill/large-v2"
TIME = f"start_time={START}&end_time={START + 60 * DAY}"


@pytest.fixture
def spent(api, store):
    """The API; its client's calls and another's."""
    names(store.db)
    spend(store.db, api.key_id, 0, CALL, CALL, price_id=MILL.id, tags_id="t-red", batch_id="batch_1")
    spend(store.db, api.key_id, 30, CALL, LOST, price_id=MILL.id, tags_id="t-blue")
    spend(store.db, api.key_id, 60, UNPRICED, model="small")
    spend(store.db, "key_other", 60, UNPRICED, model="secret")
    return api


def ask(api, path, query="", **how):
    response = api.call("GET", f"/v1/{path}?{TIME}&{query}", **how)
    assert response.status_code == 200, response.text
    return response.json()


def groups(page, value="calls"):
    return [(*row["group"].values(), row[value]) for row in page["data"]]


def test_a_row_of_usage_has_every_kind_of_tokens(spent):
    (row,) = ask(spent, "usage")["data"]

    assert row.pop("id").startswith("row_")
    assert row == {
        "object": "usage",
        "group": {},
        "calls": 5,
        "input_tokens": 307,
        "input_cached_tokens": 120,
        "input_cache_write_tokens": 30,
        "input_audio_tokens": 9,
        "output_tokens": 60,
        "output_reasoning_tokens": 15,
        "output_audio_tokens": 6,
        "total_tokens": 367,
        "ambiguous": {"calls": 1, "tokens_at_most": 500},
    }


def test_a_row_of_costs_is_exact_and_says_what_is_not_known(spent, store):
    spend(store.db, spent.key_id, 0, Posting(calls=1, cost_nanos=10**9 * NANOS))

    (row,) = ask(spent, "costs")["data"]

    assert row.pop("id").startswith("row_")
    assert row == {
        "object": "cost",
        "group": {},
        "calls": 6,
        "usd": "1000000004.500000003",
        "doubtful_usd": "0.002",
        "unpriced_calls": 1,
    }


@on_sqlite
def test_a_cost_of_which_nothing_is_known_is_null(spent):
    (row,) = ask(spent, "costs", "models=small")["data"]

    assert (row["usd"], row["unpriced_calls"]) == (None, 1)


@on_sqlite
@pytest.mark.parametrize(("query", "rule"), [("group_by=foo", "tag:NAME"), ("tags=a", "tag:NAME=VALUE")])
def test_a_group_and_a_tag_that_are_none_are_told_what_there_is(spent, query, rule):
    response = spent.call("GET", f"/v1/costs?{query}")

    assert rule in refusal(response)["message"]
    assert "pattern" not in refusal(response)["message"]


@on_sqlite
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("group_by=day", [(START, 2), (START + DAY, 2), (START + 2 * DAY, 1)]),
        ("group_by=month&group_by=model", [(START - 29 * DAY, "large", 4), (START + 2 * DAY, "small", 1)]),
        ("group_by[]=route&group_by%5B%5D=batch&models[]=large", [(ROUTE, "batch_1", 2), (ROUTE, None, 2)]),
        ("group_by=route&models=small", [(None, 1)]),
        ("group_by=tag:team&models=large", [("blue", 2), ("red", 2)]),
        ("group_by=hour&batch_ids=batch_1", [(START, 2)]),
        ("group_by=service_tier", [(None, 5)]),
        ("service_tiers=flex", []),
        ("tags=tag:team=red&tags=tag:stage=test", [(2,)]),
        ("tags[]=tag:team=", []),
        ("group_by=day&group_by=day&models=large&models=small&tags=tag:team=blue", [(START + DAY, 2)]),
    ],
)  # fmt: skip
def test_calls_are_chosen_and_grouped_as_the_url_says(spent, query, rows):
    assert groups(ask(spent, "usage", query)) == rows
    assert groups(ask(spent, "costs", query)) == rows


def test_a_key_sees_its_own_calls_and_an_admin_key_all(spent):
    _, secret = spent.new_key(is_admin=True)
    _, stranger = spent.new_key()

    assert groups(ask(spent, "usage", "group_by=api_key")) == [(spent.key_id, 5)]
    assert groups(ask(spent, "usage", f"api_key_ids={spent.key_id}")) == [(5,)]
    assert ask(spent, "costs", key=stranger)["data"] == []
    found = groups(ask(spent, "usage", "group_by=api_key", key=secret))
    assert found == sorted([(spent.key_id, 5), ("key_other", 1)])
    assert groups(ask(spent, "costs", "api_key_ids=key_other&group_by=model", key=secret)) == [("secret", 1)]


@on_sqlite
def test_without_times_it_is_of_thirty_days_until_now(api, store):
    hour = int(now().timestamp() - START) // HOUR
    spend(store.db, api.key_id, hour, CALL)
    spend(store.db, api.key_id, hour - 30 * 24 + 2, CALL)
    spend(store.db, api.key_id, hour - 31 * 24, CALL)

    (row,) = api.call("GET", "/v1/usage").json()["data"]

    assert row["calls"] == 2


@on_sqlite
@pytest.mark.parametrize("group_by", ["group_by=day&group_by=tag:team", "group_by=tag:team&group_by=batch"])
def test_the_list_goes_on_behind_the_last_row(spent, group_by):
    whole = ask(spent, "costs", group_by)["data"]
    assert len(whole) == 3

    pages = [ask(spent, "costs", f"{group_by}&limit=2")]
    while pages[-1]["has_more"]:
        pages.append(ask(spent, "costs", f"{group_by}&limit=2&after={pages[-1]['last_id']}"))

    assert [len(page["data"]) for page in pages] == [2, 1]
    assert [row for page in pages for row in page["data"]] == whole
    assert ask(spent, "costs", f"{group_by}&after={whole[-1]['id']}")["data"] == []


@on_sqlite
@pytest.mark.parametrize("path", ["usage", "costs"])
@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("group_by=minute", "group_by.0"),
        ("group_by=day&group_by=tag:", "group_by.1"),
        ("start_time=yesterday", "start_time"),
        ("start_time=-1", "start_time"),
        ("end_time=99999999999999", "end_time"),
        ("start_time=7200&end_time=7200", "end_time"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("models=", "models.0"),
        ("tags=team=red", "tags.0"),
        ("tags=tag:team=red&tags=tag:team=blue", "tags"),
        ("after=row_1", "after"),
        ("after=row_WyJ4Il0=", "after"),
        ("group_by=day&after=row_WyJ4Il0=", "after"),
        ("group_by=day&after=row_W3RydWVd", "after"),
        ("group_by=model&after=row_WzFd", "after"),
        ("api_key_ids=key_other", "api_key_ids"),
        ("&".join(["models=m"] * 101), "models"),
    ],
)
def test_what_is_wrong_is_named(api, path, query, param):
    response = api.call("GET", f"/v1/{path}?{query}")

    assert response.status_code == 400
    assert refusal(response)["param"] == param


@on_sqlite
def test_no_part_of_a_list_has_a_nul(api):
    response = api.call("GET", "/v1/usage?models=a%00&models=b")

    assert response.status_code == 400
    assert "NUL" in refusal(response)["message"]


@on_sqlite
def test_an_admin_key_is_good_for_nothing_else(api):
    _, secret = api.new_key(is_admin=True)

    for method, path in [("GET", "files"), ("POST", "batches"), ("GET", "jobs"), ("GET", "models")]:
        response = api.call(method, f"/v1/{path}", key=secret)
        assert response.status_code == 401
        assert "ordinary key" in refusal(response)["message"]
    response = api.call("GET", "/v1/batches/batch_1", key=secret)
    assert (response.status_code, refusal(response)["code"]) == (401, "invalid_api_key")
