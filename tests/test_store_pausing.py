"""What a used-up budget holds goes on when there is room, and nothing is held for ever."""

from datetime import timedelta

import pytest

from headrace.clock import now
from headrace.states import JobState, Period
from headrace.store import pausing
from headrace.store.accounts import BatchAccount
from tests.budgeting import (
    COST,
    MOST,
    PRICE,
    closed,
    hold,
    limit_batch,
    limit_key,
    spend_all,
    standing,
    states,
    sweep,
)

pytest_plugins = ["tests.databases"]


@pytest.fixture
def priced(store):
    store.charge(PRICE)
    return store


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


def test_the_next_day_has_a_budget_of_its_own(priced):
    limit_key(priced, Period.DAY, MOST)
    batch_id = priced.batch(lines=3)
    assert spend_all(priced, batch_id) == 1
    sweep(priced)

    assert sweep(priced, now() + timedelta(days=1)) == (0, 2)

    assert standing(priced, Period.DAY, now() + timedelta(days=1)).spent_nanos == 0


def test_a_hold_goes_slice_by_slice(priced):
    batch_id = priced.batch(lines=5)
    limit_batch(priced, batch_id, 0)
    assert priced.fly(1) == []

    assert [hold(priced, batch_id, 3), hold(priced, batch_id, 3), hold(priced, batch_id, 3)] == [3, 1, 0]


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


def test_a_sweep_that_looked_too_early_holds_nothing(priced):
    batch_id = priced.batch(lines=5)
    limit_batch(priced, batch_id, 0)
    assert priced.fly(1) == []
    limit_batch(priced, batch_id, 100 * MOST)

    assert hold(priced, batch_id) == 0

    assert sweep(priced) == (0, 1)
    assert states(priced, batch_id) == ["queued"] * 5
