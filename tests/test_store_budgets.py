"""Budgets: nothing departs that they have no room for, at the most that it can cost."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from headrace.clock import now
from headrace.periods import begins
from headrace.pricing import Price
from headrace.states import JobState, Period
from headrace.store import budgets, tables, usage_hours
from headrace.store.admission import BUDGET_USED_UP, PRICE_UNKNOWN
from headrace.usage import NO_USAGE
from tests.budgeting import (
    COST,
    MOST,
    PRICE,
    limit_batch,
    limit_key,
    percents,
    spend_all,
    standing,
    states,
    sweep,
    wait,
)
from tests.scene import failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]


@pytest.fixture
def priced(store):
    store.charge(PRICE)
    return store


def test_what_calls_can_cost_is_reserved_and_given_back(priced):
    batch_id = priced.batch(lines=3)
    limit_batch(priced, batch_id, 10 * MOST)

    flights = priced.fly()

    assert priced.batch_row(batch_id).reserved_nanos == 3 * MOST
    priced.land(succeeded(flights[0]), snoozed(flights[1]), retried(flights[2]))
    batch = priced.batch_row(batch_id)
    assert (batch.reserved_nanos, batch.cost_nanos, batch.doubtful_nanos) == (0, COST, MOST)


def test_what_has_no_room_waits_for_calls_under_way(priced):
    batch_id = priced.batch(lines=3)
    limit_batch(priced, batch_id, 2 * MOST)

    flights = priced.fly()

    assert len(flights) == 2
    assert states(priced, batch_id) == ["queued", "running", "running"]
    (waiting,) = (job for job in priced.jobs(batch_id) if job.state == JobState.QUEUED)
    assert waiting.run_at > now()
    assert (waiting.attempts, waiting.calls, waiting.lease_token) == (0, 0, None)
    assert priced.attempts(waiting.id) == []
    priced.land(*map(succeeded, flights))
    wait(priced, batch_id)
    assert len(priced.fly()) == 1


def test_at_the_end_of_its_budget_a_batch_is_held_with_the_reason(priced):
    batch_id = priced.batch(lines=20)
    limit_batch(priced, batch_id, MOST + 3 * COST)

    assert spend_all(priced, batch_id) == 4  # the fifth would have found a nano too little

    assert sweep(priced) == (15, 0)
    assert states(priced, batch_id) == ["held"] * 16 + ["succeeded"] * 4
    assert {job.error_code for job in priced.jobs(batch_id) if job.state == JobState.HELD} == {BUDGET_USED_UP}
    batch = priced.batch_row(batch_id)
    assert batch.cost_nanos == 4 * COST
    assert batch.cost_nanos + MOST > batch.budget_nanos
    assert percents(priced, batch_id)[-1] == 100


def test_a_budget_that_comes_late_counts_what_is_under_way(priced):
    batch_id = priced.batch(lines=4)
    under_way = priced.fly(2)

    limit_batch(priced, batch_id, 2 * MOST)

    assert priced.batch_row(batch_id).reserved_nanos == 2 * MOST
    assert priced.fly() == []
    priced.land(*map(succeeded, under_way))
    assert priced.batch_row(batch_id).reserved_nanos == 0
    wait(priced, batch_id)
    assert len(priced.fly()) == 1


def test_a_call_whose_worker_died_stays_booked_at_its_bound(priced):
    batch_id = priced.batch(lines=2)
    limit_batch(priced, batch_id, 2 * MOST - 1)
    (flight,) = priced.fly(1, worker="worker-2")
    priced.rescue("worker-2")

    batch = priced.batch_row(batch_id)
    assert (batch.reserved_nanos, batch.doubtful_nanos) == (0, MOST)
    assert priced.fly() == []  # nobody knows that there is room
    sweep(priced)
    priced.land(succeeded(flight))  # it was not dead after all

    batch = priced.batch_row(batch_id)
    assert (batch.reserved_nanos, batch.doubtful_nanos, batch.cost_nanos) == (0, 0, COST)
    sweep(priced)
    assert len(priced.fly()) == 1


def test_a_call_of_unknown_price_is_not_made_on_a_budget(store):
    store.charge(Price("mill", "large-model"))
    batch_id, free_id = store.batch(lines=2), store.batch()
    limit_batch(store, batch_id, 10**12)

    (flight,) = store.fly()

    assert store.job(flight.claim.job_id).batch_id == free_id
    assert {job.error_code for job in store.jobs(batch_id)} == {PRICE_UNKNOWN}
    assert states(store, batch_id) == ["held", "held"]
    assert "price" in store.batch_row(batch_id).notice


@pytest.mark.parametrize("period", Period)
def test_a_key_has_budgets_too_over_all_it_runs(priced, period):
    limit_key(priced, period, MOST + COST)
    priced.batch(lines=5)
    priced.inline(5)

    calls = 0
    while departed := priced.fly(1):
        calls += 1
        priced.land(*map(succeeded, departed))

    assert calls == 2
    assert sweep(priced) == (7, 0)
    assert {job.state for job in priced.jobs()} == {JobState.SUCCEEDED, JobState.HELD}
    now_standing = standing(priced, period)
    assert (now_standing.spent_nanos, now_standing.reserved_nanos) == (2 * COST, 0)
    assert now_standing.is_closed
    limit_key(priced, period, 100 * MOST)
    assert sweep(priced) == (0, 8)
    assert len(priced.fly()) == 8


def test_a_key_s_budget_counts_what_it_spent_before_in_the_period(priced):
    priced.batch(lines=3)
    first, second, _third = priced.fly()
    priced.land(succeeded(first), retried(second))

    limit_key(priced, Period.MONTH, 100 * MOST)

    found = standing(priced, Period.MONTH)
    assert (found.spent_nanos, found.reserved_nanos) == (COST + MOST, MOST)


def test_the_smallest_room_of_all_budgets_counts(priced):
    batch_id, other_id = priced.batch(lines=5), priced.batch(lines=5)
    limit_batch(priced, batch_id, 100 * MOST)
    limit_key(priced, Period.TOTAL, 3 * MOST)

    assert len(priced.fly()) == 3

    assert priced.batch_row(batch_id).reserved_nanos == 3 * MOST
    assert priced.batch_row(other_id).reserved_nanos == 0
    assert standing(priced, Period.TOTAL).reserved_nanos == 3 * MOST


def test_alerts_come_at_half_at_four_fifths_and_at_the_end_once_each(priced):
    batch_id = priced.batch(lines=100)
    limit_batch(priced, batch_id, 2 * MOST)
    seen: list[list[int]] = []
    while departed := priced.fly(1):
        priced.land(*map(succeeded, departed))
        if percents(priced, batch_id) != (seen[-1] if seen else []):
            seen.append(percents(priced, batch_id))
        wait(priced, batch_id)
    assert seen == [[50]]
    limit_batch(priced, batch_id, 100 * MOST)
    sweep(priced)
    (flight, *others) = priced.fly()
    priced.land(succeeded(flight), *(retried(one) for one in others[:20]))

    assert percents(priced, batch_id) == [50, 100]


def test_a_call_whose_cost_was_not_foreseen_is_charged_at_its_bound(priced):
    batch_id = priced.batch(lines=9)
    limit_batch(priced, batch_id, 2 * MOST)
    calls = 0
    while departed := priced.fly(1):
        calls += 1
        priced.land(*(replace(succeeded(one), service_tier="other") for one in departed))
        wait(priced, batch_id)

    batch = priced.batch_row(batch_id)
    assert (calls, batch.cost_nanos, batch.doubtful_nanos) == (2, 0, 2 * MOST)


def test_what_is_spent_and_reserved_is_made_again_from_the_ledger(priced):
    batch_id = priced.batch(lines=4)
    limit_batch(priced, batch_id, 10 * MOST)
    limit_key(priced, Period.MONTH, 10 * MOST)
    first, second, *_ = priced.fly()
    priced.land(succeeded(first), retried(second))
    stood = standing(priced, Period.MONTH), priced.batch_row(batch_id).reserved_nanos
    priced.set_batch(batch_id, reserved_nanos=5)
    with priced.db.begin() as session:
        session.execute(tables.spending.update().values(spent_nanos=-1, reserved_nanos=7))

    with priced.db.begin() as session:
        usage_hours.rebuild(session)
        budgets.recount(session)

    assert (standing(priced, Period.MONTH), priced.batch_row(batch_id).reserved_nanos) == stood
    assert stood[1] == 2 * MOST


def test_what_costs_nothing_needs_no_room(priced):
    batch_id = priced.batch(lines=2)
    limit_batch(priced, batch_id, 2 * MOST)
    first, second = priced.fly()

    priced.land(failed(first), retried(second, usage=NO_USAGE))

    batch = priced.batch_row(batch_id)
    assert (batch.cost_nanos, batch.doubtful_nanos, batch.reserved_nanos) == (0, MOST, 0)


def test_a_period_begins_at_midnight_or_with_its_month():
    at = int(datetime(2026, 11, 22, 13, 14, 15, tzinfo=UTC).timestamp())
    day, month = begins(Period.DAY, at), begins(Period.MONTH, at)
    assert datetime.fromtimestamp(day, UTC) == datetime(2026, 11, 22, tzinfo=UTC)
    assert datetime.fromtimestamp(month, UTC) == datetime(2026, 11, 1, tzinfo=UTC)
    assert begins(Period.TOTAL, at) == 0
