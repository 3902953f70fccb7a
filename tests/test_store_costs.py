"""What calls cost: on the attempt, on the batch, and in the sums by hour, all in one transaction."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select

from headrace.money import NANOS
from headrace.pricing import Price, Rates
from headrace.states import Outcome
from headrace.store import tables, usage_hours
from headrace.store.bills import basis_of, bills_of
from headrace.store.postings import hour_of
from headrace.usage import Usage
from tests.scene import AT_MOST, LANE, USAGE, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]

PRICE = Price(
    "mill",
    "large-model",
    "the tests",
    rates=Rates(input=Decimal("1.5"), cached_input=Decimal("0.5"), output=Decimal("6")),
    service_tiers=(("flex", Decimal("0.5")),),
)
COST = 6 * 1500 + 4 * 500 + 20 * 6000  # nanos of USAGE: 10 tokens, 4 of them cached, and 20
MOST = (AT_MOST // 2) * (1500 + 6000)


@pytest.fixture
def priced(store):
    store.charge(PRICE)
    return store


def sums(store):
    with store.db.read() as session:
        return [dict(row) for row in session.execute(select(tables.usage_hours)).mappings()]


def bill(store, job_id):
    with store.db.read() as session:
        return bills_of(session, [job_id])[job_id]


def money(batch):
    return batch.cost_nanos, batch.doubtful_nanos, batch.unpriced_calls


def test_an_answer_costs_what_its_price_says(priced):
    batch_id = priced.batch()
    (flight,) = priced.fly()

    priced.land(succeeded(flight))

    (attempt,) = priced.attempts(flight.claim.job_id)
    assert (attempt.cost_nanos, attempt.cost_at_most_nanos, attempt.price_id) == (COST, MOST, PRICE.id)
    assert basis_of(attempt) == "exact"
    assert money(priced.batch_row(batch_id)) == (COST, 0, 0)
    (hour,) = sums(priced)
    assert (hour["hour"], hour["api_key_id"]) == (hour_of(attempt.departed_at), priced.key_id)
    assert (hour["model"], hour["price_id"], hour["batch_id"]) == (LANE, PRICE.id, batch_id)
    assert (hour["calls"], hour["cost_nanos"], hour["total_tokens"]) == (1, COST, 30)
    assert (hour["cached_tokens"], hour["reasoning_tokens"], hour["doubtful_calls"]) == (4, 5, 0)


def test_every_call_of_a_job_counts_in_one_row_of_its_hour(priced):
    batch_id = priced.batch()
    for _ in range(2):
        (flight,) = priced.fly()
        priced.land(retried(flight, usage=USAGE))  # it was paid, and the answer was no good
    (flight,) = priced.fly()
    priced.land(succeeded(flight))

    (hour,) = sums(priced)
    assert (hour["calls"], hour["cost_nanos"]) == (3, 3 * COST)
    assert bill(priced, flight.claim.job_id).cost_nanos == 3 * COST
    assert money(priced.batch_row(batch_id)) == (3 * COST, 0, 0)


def test_what_nobody_knows_counts_with_its_bound(priced):
    batch_id = priced.batch()
    (flight,) = priced.fly()

    priced.land(retried(flight, error_code="connection_lost"))

    (attempt,) = priced.attempts(flight.claim.job_id)
    assert (attempt.cost_nanos, basis_of(attempt)) == (None, "at_most")
    assert money(priced.batch_row(batch_id)) == (0, MOST, 0)
    (hour,) = sums(priced)
    assert (hour["calls"], hour["doubtful_calls"], hour["doubtful_nanos"]) == (1, 1, MOST)
    assert hour["doubtful_tokens"] == AT_MOST


def test_an_answer_that_states_no_usage_counts_with_its_bound_too(priced):
    batch_id = priced.batch()
    (flight,) = priced.fly()

    priced.land(succeeded(flight, Usage()))

    batch = priced.batch_row(batch_id)
    assert money(batch) == (0, MOST, 0)
    assert (batch.ambiguous_calls, batch.ambiguous_tokens) == (1, AT_MOST)


@pytest.mark.parametrize(
    "ended", [snoozed, failed, lambda flight: replace(snoozed(flight), outcome=Outcome.NOT_SENT)]
)
def test_what_was_refused_or_not_sent_costs_nothing_even_at_an_unknown_price(store, ended):
    store.charge(Price("mill", "large-model"))
    batch_id = store.batch()
    (flight,) = store.fly()

    store.land(ended(flight))

    (attempt,) = store.attempts(flight.claim.job_id)
    assert (attempt.cost_nanos, basis_of(attempt)) == (0, "exact")
    assert money(store.batch_row(batch_id)) == (0, 0, 0)


def test_a_failure_that_was_paid_costs_its_usage(priced):
    batch_id = priced.batch()
    (flight,) = priced.fly()

    priced.land(replace(failed(flight), usage=USAGE))

    assert money(priced.batch_row(batch_id)) == (COST, 0, 0)


def test_an_unknown_price_is_no_price(store):
    store.charge(Price("mill", "large-model"))
    batch_id = store.batch(lines=2)
    answered, lost = store.fly()

    store.land(succeeded(answered), retried(lost))

    assert money(store.batch_row(batch_id)) == (0, 0, 2)
    (hour,) = sums(store)
    assert (hour["calls"], hour["unpriced_calls"], hour["total_tokens"]) == (2, 2, 30)
    (attempt,) = store.attempts(answered.claim.job_id)
    assert (attempt.cost_nanos, basis_of(attempt)) == (None, "unknown")
    assert bill(store, lost.claim.job_id).unpriced_calls == 1


def test_a_tier_of_service_has_its_own_price_and_row(priced):
    priced.batch(lines=3)
    standard, flex, strange = priced.fly()

    priced.land(
        succeeded(standard),
        replace(succeeded(flex), service_tier="flex"),
        replace(succeeded(strange), service_tier="other"),
    )

    rows = {hour["service_tier"]: (hour["cost_nanos"], hour["doubtful_nanos"]) for hour in sums(priced)}
    assert rows == {"": (COST, 0), "flex": (COST // 2, 0), "other": (0, MOST)}
    (attempt,) = priced.attempts(strange.claim.job_id)
    assert (attempt.cost_nanos, basis_of(attempt)) == (None, "at_most")


def test_the_price_is_that_of_the_departure(priced):
    priced.batch()
    (flight,) = priced.fly()
    priced.charge(Price("mill", "large-model", rates=Rates(input=Decimal(100), output=Decimal(100))))

    priced.land(succeeded(flight))

    (hour,) = sums(priced)
    assert hour["cost_nanos"] == COST


def test_a_late_answer_takes_the_place_of_the_bound_that_its_rescue_booked(priced):
    batch_id = priced.batch()
    (flight,) = priced.fly(worker="worker-2")
    priced.rescue("worker-2")
    (hour,) = sums(priced)
    assert money(priced.batch_row(batch_id)) == (0, MOST, 0)
    assert (hour["calls"], hour["doubtful_nanos"]) == (1, MOST)

    priced.land(replace(succeeded(flight), service_tier="flex"))

    assert money(priced.batch_row(batch_id)) == (COST // 2, 0, 0)
    rows = {hour["service_tier"]: hour for hour in sums(priced)}
    assert not any(rows[""][name] for name in ("calls", "cost_nanos", "doubtful_calls", "doubtful_nanos"))
    assert (rows["flex"]["calls"], rows["flex"]["cost_nanos"]) == (1, COST // 2)


def test_a_group_that_is_landed_again_counts_once(priced):
    batch_id = priced.batch()
    (flight,) = priced.fly()
    for _ in range(3):
        priced.land(succeeded(flight))

    assert money(priced.batch_row(batch_id)) == (COST, 0, 0)
    (hour,) = sums(priced)
    assert hour["calls"] == 1


def test_what_a_batch_spent_is_made_again_from_the_ledger_too(priced):
    batch_id, other_id = priced.batch(lines=2), priced.batch()
    answered, lost, other = priced.fly()
    priced.land(succeeded(answered), retried(lost), succeeded(other))
    priced.set_batch(batch_id, cost_nanos=1, doubtful_nanos=2, unpriced_calls=3)

    with priced.db.begin() as session:
        usage_hours.rebuild(session)

    assert money(priced.batch_row(batch_id)) == (COST, MOST, 0)
    assert money(priced.batch_row(other_id)) == (COST, 0, 0)


def test_jobs_without_a_batch_count_for_their_key(priced):
    priced.inline(2)
    priced.land(*map(succeeded, priced.fly()))

    (hour,) = sums(priced)
    assert (hour["batch_id"], hour["calls"], hour["cost_nanos"]) == ("", 2, 2 * COST)


def test_a_hundred_thousand_dollars_are_no_problem(store):
    store.charge(replace(PRICE, rates=Rates(input=Decimal(10**6), output=Decimal(10**6))))
    batch_id = store.batch()
    (flight,) = store.fly()

    store.land(succeeded(flight, Usage(prompt_tokens=10**5, completion_tokens=10, total_tokens=100_010)))

    assert store.batch_row(batch_id).cost_nanos == 100_010 * NANOS
