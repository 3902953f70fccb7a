"""Budgets by the API: given to a batch, changed, looked at; and what a batch says while it waits for one."""

from decimal import Decimal

import pytest
from sqlalchemy.exc import OperationalError

from headrace import patience
from headrace.clock import now
from headrace.money import exact
from headrace.periods import begins, ends
from headrace.pricing import Price, Rates
from headrace.states import BatchStatus, JobState, Period
from headrace.store import budgets
from tests.api_server import refusal
from tests.budgeting import limit_batch, limit_key, sweep
from tests.kinds import on_sqlite
from tests.scene import AT_MOST, USAGE, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

REQUEST = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
PRICE = Price("mill", "large-model", "the tests", rates=Rates(input=Decimal(1000), output=Decimal(1000)))
COST = USAGE.total_tokens * 10**6  # nanos
MOST = AT_MOST * 10**6
RULE = "an amount of USD below 1000000000 with at most 9 decimals"


def asked(api, **change):
    return api.call("POST", "/v1/batches", json={**REQUEST, **change})


def sent(api, path, text):
    """A body to the letter."""
    return api.call("POST", path, data=text, headers={"content-type": "application/json"})


def polled(api, batch_id):
    """The batch by its three ways, which say the same."""
    short = api.call("GET", f"/v1/batches/{batch_id}").json()
    assert short == api.call("GET", f"/v1/batches/{batch_id}?long=way").json()
    assert short in api.call("GET", "/v1/batches").json()["data"]
    return short


def used_up(store):
    """A batch of three requests with a budget for one, which was made; the others are held."""
    store.charge(PRICE)
    batch_id = store.batch(lines=3)
    limit_batch(store, batch_id, MOST)
    store.land(*map(succeeded, store.fly(1)))
    assert store.fly() == []
    sweep(store)
    return batch_id


@on_sqlite
@pytest.mark.parametrize(
    ("told", "nanos"),
    [
        ('"25.00"', 25 * 10**9),
        ('"0.000000001"', 1),
        ("0.1", 10**8),
        ("0.100000000000000000000", 10**8),
        ("123456789.123456789", 123456789123456789),  # no double has so many digits
        ("1e-9", 1),
        ("2.5E2", 250 * 10**9),
        ("0", 0),
        ("-0.0", 0),
        ("null", None),
    ],
)
def test_a_budget_is_taken_to_the_last_digit(api, store, told, nanos):
    fields = ", ".join(f'"{name}": "{value}"' for name, value in REQUEST.items())

    made = sent(api, "/v1/batches", f'{{{fields}, "budget_usd": {told}}}')

    assert made.status_code == 200, made.text
    assert store.batch_row(made.json()["id"]).budget_nanos == nanos
    shown = made.json()["budget"]
    assert (shown and shown["limit_usd"]) == (None if nanos is None else exact(nanos))


@on_sqlite
@pytest.mark.parametrize(
    "told", ['"-1"', "-1", "-1e-12", "1e9", '"1e2"', '"a lot"', '""', "1e-10", "true", "[]", "1e400", '"１"']
)
def test_what_is_no_amount_is_refused(api, told):
    fields = ", ".join(f'"{name}": "{value}"' for name, value in REQUEST.items())

    error = refusal(sent(api, "/v1/batches", f'{{{fields}, "budget_usd": {told}}}'))

    assert (error["param"], error["code"]) == ("budget_usd", "invalid_value")
    assert RULE in error["message"]
    batch_id = asked(api).json()["id"]
    assert refusal(sent(api, f"/v1/batches/{batch_id}/budget", f'{{"usd": {told}}}'))["param"] == "usd"


@on_sqlite
def test_metadata_says_the_same_and_the_field_goes_before_it(api, store):
    told = {"headrace.budget_usd": "0.50"}

    by_metadata = asked(api, metadata=told).json()
    by_field = asked(api, metadata=told, budget_usd="2").json()
    wrong = refusal(asked(api, metadata={"headrace.budget_usd": "half a dollar"}))

    assert by_metadata["budget"] == {
        "limit_usd": "0.5",
        "spent_usd": "0",
        "reserved_usd": "0",
        "is_used_up": False,
    }
    assert store.batch_row(by_field["id"]).budget_nanos == 2 * 10**9
    assert wrong["param"] == "metadata.headrace.budget_usd"


def test_a_batch_whose_budget_is_used_up_says_so_until_it_is_raised(api, store):
    batch_id = used_up(store)

    batch = polled(api, batch_id)

    assert batch["budget"] == {
        "limit_usd": exact(MOST),
        "spent_usd": exact(COST),
        "reserved_usd": "0",
        "is_used_up": True,
    }
    assert batch["held"] == 2
    assert batch["notice"].startswith("The budget of this batch, $2.00, is used up")
    assert "may cost up to $2.00" in batch["notice"]
    assert f"headrace budget {batch_id} USD" in batch["notice"]

    raised = api.call("POST", f"/v1/batches/{batch_id}/budget", json={"usd": "100"})

    assert raised.status_code == 200
    assert raised.json()["budget"]["limit_usd"] == "100"
    assert not raised.json()["budget"]["is_used_up"]
    assert "goes on in a moment" in polled(api, batch_id)["notice"]
    assert sweep(store) == (0, 2)
    assert polled(api, batch_id)["notice"] is None


@on_sqlite
def test_calls_under_way_are_reserved_also_for_a_budget_that_comes_late(api, store):
    store.charge(PRICE)
    batch_id = store.batch(lines=3)
    store.fly(2)

    made = api.call("POST", f"/v1/batches/{batch_id}/budget", json={"usd": 10}).json()
    assert made["budget"]["reserved_usd"] == exact(2 * MOST)

    removed = api.call("POST", f"/v1/batches/{batch_id}/budget", json={"usd": None}).json()
    assert removed["budget"] is None


@on_sqlite
def test_a_batch_tells_when_shares_of_its_budget_were_reached(api, store):
    batch_id = used_up(store)

    shown = api.call("GET", f"/v1/batches/{batch_id}/budget").json()

    alerts = shown.pop("alerts")
    assert shown == {
        "id": batch_id,
        "object": "batch.budget",
        "limit_usd": exact(MOST),
        "spent_usd": exact(COST),
        "reserved_usd": "0",
        "remaining_usd": exact(MOST - COST),
        "is_used_up": True,
    }
    assert [(alert["percent"], alert["limit_usd"]) for alert in alerts] == [(100, exact(MOST))]
    without = api.call("GET", f"/v1/batches/{store.batch()}/budget").json()
    assert (without["limit_usd"], without["remaining_usd"], without["alerts"]) == (None, None, [])


@on_sqlite
def test_a_final_batch_keeps_its_budget(api, store):
    batch_id = store.batch()
    store.set_batch(batch_id, status=BatchStatus.COMPLETED)

    refused = api.call("POST", f"/v1/batches/{batch_id}/budget", json={"usd": "1"})

    assert (refused.status_code, refused.headers["x-should-retry"]) == (409, "false")
    assert "status 'completed'" in refusal(refused)["message"]


@on_sqlite
@pytest.mark.parametrize(("body", "param"), [({}, "usd"), ({"usd": 1, "limit": 2}, "limit"), ([], None)])
def test_a_budget_that_says_something_else_is_refused(api, store, body, param):
    refused = api.call("POST", f"/v1/batches/{store.batch()}/budget", json=body)

    assert refused.status_code == 400
    assert refusal(refused)["param"] == param


@on_sqlite
def test_a_batch_of_another_key_has_no_budget_for_us(api, store):
    _, stranger = api.new_key()
    path = f"/v1/batches/{store.batch()}/budget"

    assert api.call("GET", path, key=stranger).status_code == 404
    assert api.call("POST", path, key=stranger, json={"usd": "1"}).status_code == 404


def test_a_key_sees_its_own_budgets_and_its_batches_tell_that_one_is_used_up(api, store):
    store.charge(PRICE)
    limit_key(store, Period.DAY, MOST)
    limit_key(store, Period.TOTAL, 100 * MOST)
    batch_id = store.batch(lines=3)
    store.land(*map(succeeded, store.fly(1)))
    assert store.fly() == []
    sweep(store)

    day, total = api.call("GET", "/v1/budgets").json()["data"]

    alerts = day.pop("alerts")
    midnight = begins(Period.DAY, int(now().timestamp()))
    assert day == {
        "object": "budget",
        "period": "day",
        "limit_usd": exact(MOST),
        "spent_usd": exact(COST),
        "reserved_usd": "0",
        "remaining_usd": exact(MOST - COST),
        "resets_at": ends(Period.DAY, midnight),
        "is_used_up": True,
    }
    assert [alert["percent"] for alert in alerts] == [100]
    assert (total["period"], total["resets_at"], total["is_used_up"]) == ("total", None, False)
    assert "budget of this API key (a day) is used up" in polled(api, batch_id)["notice"]
    _, stranger = api.new_key()
    assert api.call("GET", "/v1/budgets", key=stranger).json() == {"object": "list", "data": []}


@on_sqlite
def test_who_waits_for_a_person_is_not_said_to_wait_for_a_budget(api, store):
    store.charge(Price("mill", "large-model"))
    batch_id = store.batch(lines=1)
    limit_batch(store, batch_id, 10**12)
    assert store.fly() == []

    batch = polled(api, batch_id)

    assert [job.state for job in store.jobs(batch_id)] == [JobState.HELD]
    assert "nobody knows what a call of this model costs" in batch["notice"]
    assert "release them" in batch["notice"]
    assert not batch["budget"]["is_used_up"]


def test_a_first_budget_waits_for_departures_and_tries_again(postgresql, monkeypatch):
    batch_id = postgresql.batch()
    tries = []

    def work(session):
        tries.append(1)
        batch = postgresql.batch_row(batch_id)
        budgets.limit_batch(session, batch, 10**9)

    monkeypatch.setattr(patience, "TRIES", 2)
    monkeypatch.setattr(budgets, "LOCK_SECONDS", 0.05)
    with postgresql.db.begin() as session:
        session.connection().exec_driver_sql("LOCK TABLE attempts IN ROW EXCLUSIVE MODE")
        with pytest.raises(OperationalError, match="lock timeout"):
            patience.patiently(postgresql.db, work)
    assert len(tries) == 2

    patience.patiently(postgresql.db, work)

    assert postgresql.batch_row(batch_id).budget_nanos == 10**9
