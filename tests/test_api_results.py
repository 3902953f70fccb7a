"""The answers of a batch while it runs."""

import json

import pytest

from headrace.states import JobState
from tests.api_server import refusal
from tests.kinds import on_sqlite
from tests.scene import failed, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]


def read(api, batch_id, **query):
    """A page of results: its lines, the cursor, and whether more are there."""
    response = api.call("GET", f"/v1/batches/{batch_id}/results", params=query)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in response.text.splitlines()]
    more = {"true": True, "false": False}[response.headers["x-headrace-has-more"]]
    return lines, int(response.headers["x-headrace-cursor"]), more


def test_answers_are_there_as_they_come_in_each_in_the_form_of_the_contract(api, store):
    batch_id = store.batch(lines=4)
    assert read(api, batch_id) == ([], 0, False)
    flights = store.fly(2)
    store.land(succeeded(flights[0]))
    store.land(failed(flights[1], status_code=422))

    lines, cursor, more = read(api, batch_id)

    ids = [flight.claim.job_id for flight in flights]
    assert lines == [
        {
            "id": f"batch_req_{ids[0]}",
            "custom_id": "line-1",
            "response": {"status_code": 200, "request_id": "", "body": {"choices": [1]}},
            "error": None,
        },
        {
            "id": f"batch_req_{ids[1]}",
            "custom_id": "line-2",
            "response": {"status_code": 422, "request_id": "", "body": {"error": {"message": "no"}}},
            "error": None,
        },
    ]
    assert (cursor, more) == (2, False)

    store.end_waiting(batch_id, JobState.CANCELLED)

    lines, cursor, more = read(api, batch_id, after=cursor)
    assert [(line["custom_id"], line["response"]) for line in lines] == [("line-3", None), ("line-4", None)]
    assert {line["error"]["code"] for line in lines} == {"batch_cancelled"}
    assert (cursor, more) == (4, False)


def test_a_reader_that_goes_on_from_the_cursor_sees_every_result_once(api, store):
    batch_id = store.batch(lines=250)
    flights = store.fly()
    seen, cursor = [], 0
    for start in range(0, 250, 50):
        store.land(*[succeeded(flight) for flight in flights[start : start + 50]])
        lines, cursor, _ = read(api, batch_id, after=cursor, limit=30)
        seen += lines
    more = True
    while more:
        lines, cursor, more = read(api, batch_id, after=cursor, limit=30)
        seen += lines

    assert cursor == 250
    assert sorted(line["custom_id"] for line in seen) == sorted(f"line-{n}" for n in range(1, 251))


def test_one_page_may_be_longer_than_what_is_read_from_the_table_at_once(api, store):
    batch_id = store.batch(lines=250)
    store.land(*[succeeded(flight) for flight in store.fly()])

    lines, cursor, more = read(api, batch_id, after=10, limit=220)

    assert len(lines) == len({line["custom_id"] for line in lines}) == 220
    assert (cursor, more) == (230, True)


def test_a_cursor_past_the_end_waits_where_it_is(api, store):
    assert read(api, store.batch(), after=99) == ([], 99, False)


@on_sqlite
@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=9999999999999999999999", "limit=0", "limit=10001"]
)
def test_a_cursor_or_limit_that_makes_no_sense_is_refused(api, store, query):
    response = api.call("GET", f"/v1/batches/{store.batch()}/results?{query}")

    assert response.status_code == 400
    assert refusal(response)["param"] == query.partition("=")[0]


def test_an_unknown_batch_has_no_results(api):
    response = api.call("GET", "/v1/batches/batch_nothere/results")

    assert response.status_code == 404
    assert refusal(response)["message"] == "No batch found with id 'batch_nothere'."
