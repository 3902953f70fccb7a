"""Jobs without a file: submitted, looked at, listed."""

from decimal import Decimal
from typing import Any

import pytest

from headrace.pricing import Price, Rates
from headrace.states import JobState
from headrace.store import workers
from tests.api_server import hints, refusal
from tests.kinds import on_sqlite
from tests.scene import USAGE, failed, retried, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

CHAT = {"model": "small-model", "messages": [{"role": "user", "content": "你好"}]}
LINE = {"custom_id": "q-1", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
EMBEDDING = {"url": "/v1/embeddings", "body": {"model": "embedder", "input": "你好"}}
PRICE = Price("mill", "m", "the tests", rates=Rates(input=Decimal(4), output=Decimal(4)))
NO_TOKENS = dict.fromkeys(
    ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "total_tokens"), 0
)


def submit(api, body):
    response = api.call("POST", "/v1/jobs", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def number(job):
    return int(job["id"].removeprefix("job_"))


def test_a_bare_chat_body_is_a_job(api, store):
    job = submit(api, CHAT)

    assert job == {
        "id": job["id"],
        "object": "job",
        "custom_id": None,
        "batch_id": None,
        "endpoint": "/v1/chat/completions",
        "model": "small-model",
        "state": "queued",
        "created_at": job["created_at"],
        "run_at": job["created_at"],
        "finished_at": None,
        "error": None,
        "usage": NO_TOKENS,
        "ambiguous": {"calls": 0, "tokens_at_most": 0},
        "cost": {"usd": "0", "doubtful_usd": "0", "unpriced_calls": 0},
        "attempts": 0,
    }
    (claim,) = store.claim()
    assert (claim.job_id, claim.max_attempts) == (number(job), api.settings.max_attempts)
    assert '"你好"' in claim.body


def test_a_batch_line_is_a_job_and_what_is_not_needed_may_be_left_out(api):
    named = submit(api, LINE)
    unnamed = submit(api, EMBEDDING)

    assert (named["custom_id"], named["endpoint"]) == ("q-1", "/v1/chat/completions")
    assert (unnamed["custom_id"], unnamed["endpoint"]) == (None, "/v1/embeddings")
    assert unnamed["model"] == "embedder"


def test_a_list_is_answered_in_its_order_and_wakes_each_lane_once(api):
    requests = [{**LINE, "custom_id": f"q-{n}"} for n in range(999)] + [EMBEDDING]

    made = submit(api, requests)

    assert made["object"] == "list"
    assert [job["custom_id"] for job in made["data"]] == [f"q-{n}" for n in range(999)] + [None]
    assert len({job["id"] for job in made["data"]}) == 1000
    assert hints(api) == [("headrace.drain", "embedder"), ("headrace.drain", "small-model")]


def test_the_sweep_knows_the_lanes_of_inline_jobs(api, store):
    submit(api, [CHAT, EMBEDDING])

    with store.db.read() as session:
        assert sorted(workers.due_lanes(session)) == ["embedder", "small-model"]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({**LINE, "custom_id": ""}, "custom_id", "invalid_request"),
        ({**LINE, "custom_id": 7}, "custom_id", "invalid_request"),
        ({**LINE, "custom_id": "a\0"}, "custom_id", "invalid_request"),
        ({**LINE, "method": "GET"}, "method", "invalid_method"),
        ({**LINE, "url": "/v1/images/generations"}, "url", "invalid_url"),
        ({**LINE, "url": {}}, "url", "invalid_url"),
        ({"body": CHAT}, "url", "missing_required_parameter"),
        ({"url": "/v1/embeddings"}, "body", "missing_required_parameter"),
        ({**LINE, "body": None}, "body", "missing_required_parameter"),
        ({**LINE, "body": []}, "body", "invalid_request"),
        ({**LINE, "body": {**CHAT, "model": ""}}, "body.model", "invalid_request"),
        ({**LINE, "body": {**CHAT, "stream": True}}, "body.stream", "streaming_unsupported"),
        ({**CHAT, "model": None}, "model", "invalid_request"),
        ({**CHAT, "messages": []}, "messages", "invalid_request"),
        ({**CHAT, "messages": ["hello"]}, "messages", "invalid_request"),
        ({}, "url", "missing_required_parameter"),
        ("hello", None, "invalid_type"),
        ([], None, None),
        ([CHAT] * 1001, None, None),
    ],
)
def test_a_faulty_request_is_named_and_nothing_is_queued(api, body, param, code):
    response = api.call("POST", "/v1/jobs", json=body)

    assert response.status_code == 400
    error = refusal(response)
    assert (error["param"], error["code"]) == (param, code)
    assert api.call("GET", "/v1/jobs").json()["data"] == []


def test_all_faults_of_a_list_are_told_at_once_and_none_of_it_is_queued(api):
    no_model = {**LINE, "body": {"messages": CHAT["messages"]}}

    response = api.call("POST", "/v1/jobs", json=[CHAT, no_model, 7, CHAT, {**CHAT, "messages": 1}])

    assert response.status_code == 400
    error = refusal(response)
    assert (error["param"], error["code"]) == ("[1].body.model", "invalid_request")
    assert [error["message"].count(f"[{index}]: ") for index in range(5)] == [0, 1, 1, 0, 1]
    assert "[4]: 'messages' must be a list of objects." in error["message"]
    assert api.call("GET", "/v1/jobs").json()["data"] == []


def test_a_job_shows_its_answer_its_usage_and_every_call(api, store):
    job = submit(api, LINE)
    (flight,) = store.fly()
    store.land(retried(flight, status_code=500, error_code="server_error", error_message="Oops."))

    waiting = api.call("GET", f"/v1/jobs/{job['id']}").json()

    assert (waiting["state"], waiting["response"], waiting["attempts"]) == ("queued", None, 1)
    assert waiting["error"] == {"code": "server_error", "message": "Oops."}

    (flight,) = store.fly()
    store.land(succeeded(flight, answer='{"choices": [1],\n "n": 1e400}'))
    response = api.call("GET", f"/v1/jobs/{job['id']}")

    done = response.json()
    tokens = {name: getattr(USAGE, name) for name in NO_TOKENS}
    assert (done["state"], done["error"], done["attempts"], done["usage"]) == ("succeeded", None, 2, tokens)
    assert done["finished_at"] >= done["created_at"]
    assert '"body":{"choices": [1],  "n": 1e400}' in response.text
    assert (done["response"]["status_code"], done["response"]["request_id"]) == (200, "")
    first, second = done["calls"]
    assert (first["number"], first["outcome"], first["status_code"]) == (1, "ambiguous", 500)
    assert first["error"] == {"code": "server_error", "message": "Oops."}
    assert (second["number"], second["outcome"]) == (2, "succeeded")
    assert second["usage"].items() >= tokens.items()
    assert first["departed_at"] <= first["landed_at"] <= second["departed_at"] <= second["landed_at"]


def test_a_job_and_its_calls_show_what_they_cost(api, store):
    store.charge(PRICE)
    job = submit(api, LINE)
    for end in (retried, succeeded):
        store.land(*map(end, store.fly()))

    done = api.call("GET", f"/v1/jobs/{job['id']}").json()

    assert done["cost"] == {"usd": "0.00012", "doubtful_usd": "0.008", "unpriced_calls": 0}
    first, second = (call["cost"] for call in done["calls"])
    assert first == {"basis": "at_most", "usd": None, "at_most_usd": "0.008", "price": PRICE.id}
    assert second == {"basis": "exact", "usd": "0.00012", "at_most_usd": "0.008", "price": PRICE.id}


def test_a_call_under_way_has_not_landed(api, store):
    job = submit(api, CHAT)
    store.fly()

    shown = api.call("GET", f"/v1/jobs/{job['id']}").json()

    assert shown["state"] == "running"
    (call,) = shown["calls"]
    assert (call["outcome"], call["landed_at"], call["error"]) == ("open", None, None)
    assert call["cost"]["basis"] == "open"


def test_a_providers_refusal_is_the_response(api, store):
    job = submit(api, CHAT)
    (flight,) = store.fly()
    store.land(failed(flight, status_code=422))

    shown = api.call("GET", f"/v1/jobs/{job['id']}").json()

    assert shown["state"] == "failed"
    assert (shown["response"]["status_code"], shown["response"]["body"]) == (
        422,
        {"error": {"message": "no"}},
    )


def test_lists_page_and_leave_the_long_parts_out(api, store):
    made = submit(api, [CHAT] * 5)["data"]
    store.land(succeeded(store.fly(1)[0]))

    pages: list[dict[str, Any]] = []
    after = None
    while not pages or pages[-1]["has_more"]:
        query = {"limit": 2, **({"after": after} if after else {})}
        pages.append(api.call("GET", "/v1/jobs", params=query).json())
        after = pages[-1]["last_id"]

    assert [[job["id"] for job in page["data"]] for page in pages] == [
        [job["id"] for job in made[start : start + 2]] for start in (0, 2, 4)
    ]
    assert pages[0]["first_id"] == made[0]["id"]
    assert not any({"response", "calls"} & job.keys() for page in pages for job in page["data"])


def test_jobs_are_listed_by_batch_and_by_state(api, store):
    (inline,) = store.inline()
    batch_id = store.batch(lines=3)
    store.land(succeeded(next(flight for flight in store.fly() if flight.claim.job_id != inline)))

    def listed(**query):
        return [number(job) for job in api.call("GET", "/v1/jobs", params=query).json()["data"]]

    ids = [job.id for job in store.jobs(batch_id)]
    assert listed() == [inline, *ids]
    assert listed(batch=batch_id) == ids
    assert listed(batch=batch_id, state="succeeded") == ids[:1]
    assert listed(state="running") == [inline, *ids[1:]]
    assert listed(state="held") == []


@on_sqlite
@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("state=done", 400, "state"),
        ("after=7", 400, "after"),
        ("after=job_0", 400, "after"),
        ("limit=1001", 400, "limit"),
        ("batch=batch_nothere", 404, None),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(api, query, status, param):
    response = api.call("GET", f"/v1/jobs?{query}")

    assert response.status_code == status
    assert refusal(response)["param"] == param


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_jobs_of_another_key_and_ids_of_no_job_are_not_found(api, store, method):
    (mine,) = store.inline()
    _, stranger = api.new_key()
    path = "/cancel" if method == "POST" else ""

    theirs = api.call(method, f"/v1/jobs/job_{mine}{path}", key=stranger)
    assert theirs.status_code == 404
    for job_id in (
        f"job_{mine + 1}",
        str(mine),
        f"job_0{mine}",
        "job_",
        "job_-1",
        "job_" + "9" * 30,
        "job_１",
    ):
        response = api.call(method, f"/v1/jobs/{job_id}{path}")
        assert response.status_code == 404
        assert refusal(response)["message"] == f"No job found with id '{job_id}'."
    assert api.call("GET", "/v1/jobs", key=stranger).json()["data"] == []
    assert store.job(mine).state == JobState.QUEUED


@on_sqlite
def test_a_page_of_a_batch_goes_on_behind_one_of_its_own_jobs(api, store):
    batch_id, (inline,) = store.batch(lines=2), store.inline()

    response = api.call("GET", f"/v1/jobs?batch={batch_id}&after=job_{inline}")

    assert response.status_code == 400
    assert refusal(response)["param"] == "after"
