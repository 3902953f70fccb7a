"""Budgets: nothing departs that they have no room for, at the most that it can cost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from headrace.clock import now
from headrace.periods import begins
from headrace.pricing import Price, Rates
from headrace.states import JobState, Period
from headrace.store import pausing
from headrace.store.accounts import BatchAccount
from headrace.store.admission import BUDGET_USED_UP, PRICE_UNKNOWN
from headrace.usage import NO_USAGE
from tests.budgeting import closed, hold, limit_batch, limit_key, percents, standing, sweep
from tests.scene import AT_MOST, USAGE, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]

PRICE = Price("mill", "large-model", "the tests", rates=Rates(input=Decimal(1), output=Decimal(1)))
COST = USAGE.total_tokens * 1000  # nanos
MOST = AT_MOST * 1000


@pytest.fixture
def priced(store):
    store.charge(PRICE)
    return store


def states(store, batch_id):
    return sorted(job.state for job in store.jobs(batch_id))


def wait(store, batch_id):
    """A second passes, and what waits is due again."""
    for job in store.jobs(batch_id):
        if job.state == JobState.QUEUED:
            store.set_job(job.id, run_at=now())


def spend_all(store, batch_id, cost=None):
    """Call after call, each landing before the next one, until none departs; returns how many did."""
    calls = 0
    while departed := store.fly(1):
        calls += len(departed)
        usage = USAGE if cost is None else replace(USAGE, prompt_tokens=cost // 1000, completion_tokens=0)
        store.land(*(succeeded(flight, usage) for flight in departed))
        wait(store, batch_id)
    return calls


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


def test_a_raised_budget_lets_them_go_on(priced):
    batch_id = priced.batch(lines=10)
    limit_batch(priced, batch_id, MOST)
    assert spend_all(priced, batch_id) == 1
    sweep(priced)

    limit_batch(priced, batch_id, MOST + COST - 1)
    assert sweep(priced) == (0, 0)
    limit_batch(priced, batch_id, 100 * MOST)
    assert sweep(priced) == (0, 9)

    assert closed(priced) == []
    assert spend_all(priced, batch_id) == 9
    assert priced.batch_row(batch_id).succeeded == 10


def test_a_budget_that_is_taken_away_lets_them_go_on(priced):
    batch_id = priced.batch(lines=3)
    limit_batch(priced, batch_id, 0)
    assert priced.fly() == []

    limit_batch(priced, batch_id, None)
    sweep(priced)

    assert len(priced.fly()) == 3
    batch = priced.batch_row(batch_id)
    assert (batch.budget_nanos, batch.reserved_nanos, batch.wanted_nanos) == (None, 0, None)


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


def test_the_next_day_has_a_budget_of_its_own(priced):
    limit_key(priced, Period.DAY, MOST)
    batch_id = priced.batch(lines=3)
    assert spend_all(priced, batch_id) == 1
    sweep(priced)

    assert sweep(priced, now() + timedelta(days=1)) == (0, 2)

    assert standing(priced, Period.DAY, now() + timedelta(days=1)).spent_nanos == 0


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


def test_a_hold_goes_slice_by_slice(priced):
    batch_id = priced.batch(lines=5)
    limit_batch(priced, batch_id, 0)
    assert priced.fly(1) == []

    assert [hold(priced, batch_id, 3), hold(priced, batch_id, 3), hold(priced, batch_id, 3)] == [3, 1, 0]


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


def test_held_jobs_go_on_though_another_call_left_before_the_sweep_saw_the_raise(priced):
    batch_id = priced.batch(lines=3)
    limit_batch(priced, batch_id, MOST)
    assert spend_all(priced, batch_id) == 1
    sweep(priced)
    (first, *_) = (job for job in priced.jobs(batch_id) if job.state == JobState.HELD)
    limit_batch(priced, batch_id, 100 * MOST)
    priced.unhold(first.id)

    assert len(priced.fly()) == 1

    assert sweep(priced) == (0, 1)
    assert closed(priced) == []


def test_a_budget_that_closes_again_while_its_jobs_are_queued_stays_marked(priced):
    batch_id = priced.batch(lines=4)
    limit_batch(priced, batch_id, MOST)
    assert spend_all(priced, batch_id) == 1
    sweep(priced)
    limit_batch(priced, batch_id, MOST + COST)
    account, before = BatchAccount(batch_id), now()
    with priced.db.begin() as session:
        pausing.resume(session, account, before, 1000)
    assert spend_all(priced, batch_id) == 1

    with priced.db.begin() as session:
        assert not pausing.reopen(session, account)

    sweep(priced)
    limit_batch(priced, batch_id, 100 * MOST)
    assert sweep(priced) == (0, 2)


def test_a_key_s_budget_that_is_taken_away_lets_its_jobs_go_on(priced):
    limit_key(priced, Period.DAY, 0)
    priced.batch(lines=3)
    assert priced.fly() == []
    sweep(priced)

    limit_key(priced, Period.DAY, None)

    assert sweep(priced) == (0, 3)
    assert closed(priced) == []
    assert len(priced.fly()) == 3
    limit_key(priced, Period.DAY, 3 * MOST)
    assert standing(priced, Period.DAY).reserved_nanos == 3 * MOST


def test_what_two_budgets_held_goes_on_when_both_have_room(priced):
    batch_id, other_id = priced.batch(lines=2), priced.batch(lines=2)
    limit_batch(priced, batch_id, 0)
    assert len(priced.fly(2)) == 0
    limit_key(priced, Period.TOTAL, 0)
    assert priced.fly() == []

    limit_batch(priced, batch_id, 100 * MOST)
    assert sweep(priced) == (0, 0)
    limit_batch(priced, batch_id, 0)
    limit_key(priced, Period.TOTAL, 100 * MOST)
    assert sweep(priced) == (0, 2)

    assert states(priced, batch_id) == ["held", "held"]
    assert states(priced, other_id) == ["queued", "queued"]
    limit_batch(priced, batch_id, None)
    assert sweep(priced) == (0, 2)
    assert len(priced.fly()) == 4
