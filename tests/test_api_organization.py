"""The reports of OpenAI's administrators, over all keys. `tests/sdk` asks for them with the SDK."""

import pytest

from headrace.clock import now
from tests.api_server import refusal
from tests.kinds import on_sqlite
from tests.spent import CALL, DAY, HOUR, LOST, MILL, START, UNPRICED, names, spend

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

NOBODY = ("project_id", "user_id", "api_source")
USAGE, COSTS = "usage/completions", "costs"


@pytest.fixture
def asked(api, store):
    """Asks with an admin key; on the first day are calls of two keys, on the third one."""
    names(store.db)
    spend(store.db, "key_a", 0, CALL, CALL, price_id=MILL.id, batch_id="batch_1", service_tier="default")
    spend(store.db, "key_b", 5, LOST, CALL, price_id=MILL.id, model="small")
    spend(store.db, "key_b", 50, UNPRICED, model="small")
    _, secret = api.new_key(is_admin=True)

    def get(path, query="", start=START, status=200):
        response = api.call("GET", f"/v1/organization/{path}?start_time={start}&{query}", key=secret)
        assert response.status_code == status, response.text
        return response.json() if status == 200 else refusal(response)

    return get


def results(page):
    return [bucket["results"] for bucket in page["data"]]


def test_buckets_of_days_have_the_sums_and_are_there_without_any(asked):
    page = asked(USAGE, f"end_time={START + 3 * DAY}")

    assert {name: page[name] for name in ("object", "has_more", "next_page")} == {
        "object": "page", "has_more": False, "next_page": None,
    }  # fmt: skip
    assert [(bucket["object"], bucket["start_time"], bucket["end_time"]) for bucket in page["data"]] == [
        ("bucket", START + day * DAY, START + (day + 1) * DAY) for day in range(3)
    ]
    first, second, third = results(page)
    assert first == [
        {
            "object": "organization.usage.completions.result",
            "input_tokens": 300,
            "input_uncached_tokens": 150,
            "input_cached_tokens": 120,
            "input_cache_write_tokens": 30,
            "input_audio_tokens": 9,
            "output_tokens": 60,
            "output_audio_tokens": 6,
            "num_model_requests": 4,
            **dict.fromkeys((*NOBODY, "api_key_id", "model", "batch", "service_tier")),
        }
    ]  # fmt: skip
    assert second == []
    assert [result["num_model_requests"] for result in third] == [1]


def test_costs_are_numbers_and_what_is_not_known_is_told(asked):
    first, second, third = results(asked(COSTS, f"end_time={START + 3 * DAY}&group_by[]=line_item"))

    known, doubtful = first
    assert known == {
        "object": "organization.costs.result",
        "amount": {"value": 3.000000002, "currency": "usd"},
        "line_item": "large",
        "quantity": None,
        "quantity_unit": None,
        "doubtful_usd": "0",
        "unpriced_calls": 0,
        **dict.fromkeys((*NOBODY, "api_key_id")),
    }
    assert (doubtful["line_item"], doubtful["doubtful_usd"]) == ("small", "0.002")
    assert second == []
    assert [(result["amount"]["value"], result["unpriced_calls"]) for result in third] == [(0, 1)]


@on_sqlite
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("group_by=api_key_id", [("key_a", None, None, None, 2), ("key_b", None, None, None, 2)]),
        ("group_by[]=model", [(None, "large", None, None, 2), (None, "small", None, None, 2)]),
        ("group_by[]=batch", [(None, None, False, None, 2), (None, None, True, None, 2)]),
        ("group_by[]=service_tier&group_by[]=project_id", [(*[None] * 3, "default", 2), (*[None] * 4, 2)]),
        ("group_by=user_id&group_by=api_source", [(None, None, None, None, 4)]),
        ("api_key_ids[]=key_a&api_key_ids[]=key_c", [(None, None, None, None, 2)]),
        ("models[]=small", [(None, None, None, None, 2)]),
        ("batch=true", [(None, None, None, None, 2)]),
        ("batch=false", [(None, None, None, None, 2)]),
    ],
)  # fmt: skip
def test_usage_is_grouped_and_chosen_as_with_openai(asked, query, expected):
    first = results(asked(USAGE, f"end_time={START + DAY}&{query}"))[0]

    names_of = ("api_key_id", "model", "batch", "service_tier", "num_model_requests")
    assert [tuple(result[name] for name in names_of) for result in first] == expected


@on_sqlite
def test_pages_of_hours_go_on_until_the_end(asked):
    query = f"bucket_width=1h&end_time={START + 51 * HOUR}"
    pages = [asked(USAGE, query)]
    while pages[-1]["has_more"]:
        pages.append(asked(USAGE, f"{query}&page={pages[-1]['next_page']}"))

    assert [len(page["data"]) for page in pages] == [24, 24, 3]
    buckets = [bucket for page in pages for bucket in page["data"]]
    assert [bucket["start_time"] for bucket in buckets] == list(range(START, START + 51 * HOUR, HOUR))
    assert [place for place, bucket in enumerate(buckets) if bucket["results"]] == [0, 5, 50]


@on_sqlite
def test_buckets_are_whole_and_none_is_of_the_future(asked):
    (day,) = asked(USAGE, f"end_time={START + 10}", start=START + 9)["data"]

    assert (day["start_time"], day["end_time"]) == (START, START + DAY)
    assert day["results"][0]["num_model_requests"] == 4
    assert asked(USAGE, start=2**33)["data"] == []
    page = asked(COSTS, f"end_time={2**33}&limit=180")
    assert page["data"][-1]["end_time"] <= int(now().timestamp()) + DAY


@on_sqlite
@pytest.mark.parametrize(
    ("path", "query", "param", "said"),
    [
        (USAGE, "bucket_width=1m", "bucket_width", "by the hour"),
        (USAGE, "bucket_width=1w", "bucket_width", "'1h' or '1d'"),
        (COSTS, "bucket_width=1h", "bucket_width", "1d"),
        (USAGE, "limit=32", "limit", "31"),
        (USAGE, "bucket_width=1h&limit=169", "limit", "168"),
        (COSTS, "limit=181", "limit", "180"),
        (COSTS, "limit=0", "limit", "1"),
        (USAGE, "group_by[]=line_item", "group_by.0", "project_id"),
        (COSTS, "group_by[]=model", "group_by.0", "line_item"),
        (USAGE, "project_ids[]=proj_1", "project_ids", "no projects"),
        (COSTS, "user_ids=user_1", "user_ids", "no projects"),
        (USAGE, f"end_time={START}", "end_time", "after"),
        (USAGE, "page=nonsense", "page", "next_page"),
        (USAGE, f"page=page_{START - DAY}", "page", "next_page"),
        (USAGE, f"page=page_{START + 1}", "page", "next_page"),
        (USAGE, "batch=perhaps", "batch", "bool"),
    ],
)
def test_what_is_wrong_is_named(asked, path, query, param, said):
    error = asked(path, query, status=400)

    assert error["param"] == param
    assert said in error["message"]


@on_sqlite
@pytest.mark.parametrize("path", [USAGE, COSTS])
def test_it_begins_somewhere_and_is_for_admins(api, path):
    _, secret = api.new_key(is_admin=True)

    missing = refusal(api.call("GET", f"/v1/organization/{path}", key=secret))
    assert (missing["param"], missing["code"]) == ("start_time", "missing_required_parameter")
    refused = api.call("GET", f"/v1/organization/{path}?start_time={START}")
    assert (refused.status_code, refusal(refused)["code"]) == (401, "invalid_api_key")
    assert "headrace keys create NAME --admin" in refusal(refused)["message"]


@on_sqlite
def test_reports_on_what_headrace_does_not_tell_apart_are_not_there(api):
    _, secret = api.new_key(is_admin=True)

    response = api.call("GET", f"/v1/organization/usage/embeddings?start_time={START}", key=secret)

    assert (response.status_code, refusal(response)["code"]) == (404, "unknown_url")
