"""Jobs of a higher priority go first, what is not due holds nobody up, and a claim reads no backlog."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, event, insert, text

from headrace.clock import now
from headrace.states import JobState
from headrace.store import jobs, tables
from tests.plans import plans_of
from tests.scene import LANE, WORKER, new_job

pytest_plugins = ["tests.databases"]

HOUR = timedelta(hours=1)
ROWS = 3000


def with_priority(store, priority, count=1, **values):
    """Inline jobs that got a priority: their ids."""
    ids = store.inline(count)
    for job_id in ids:
        store.set_job(job_id, priority=priority, **values)
    return ids


def claimed(store, limit=1000):
    return [claim.job_id for claim in store.claim(limit)]


def test_the_highest_priority_goes_first_and_within_one_the_oldest(store):
    usual = with_priority(store, 0, 2)
    low = with_priority(store, -100)
    high = with_priority(store, 100, 2)
    retried = with_priority(store, 100, run_at=now() - HOUR)

    assert claimed(store, 1) == retried
    assert claimed(store) == [*high, *usual, *low]


def test_a_claim_takes_no_more_than_was_asked_for_over_all_priorities(store):
    low, high = with_priority(store, 0, 5), with_priority(store, 5, 2)

    assert claimed(store, 3) == [*high, low[0]]
    assert claimed(store, 2) == low[1:3]
    assert claimed(store) == low[3:]


def test_what_waits_for_its_time_holds_up_nothing_of_a_lower_priority(store):
    low = with_priority(store, -3, 2)
    with_priority(store, 50, 3, run_at=now() + HOUR)

    assert claimed(store) == low


def test_a_batch_gives_its_jobs_its_priority_and_inline_jobs_have_none(store):
    (inline,) = store.inline()
    batch_id = store.new_batch()
    with store.db.begin() as session:
        jobs.submit(
            session,
            [new_job(1), new_job(2)],
            api_key_id=store.key_id,
            batch_id=batch_id,
            max_attempts=3,
            priority=7,
        )

    assert [job.priority for job in store.jobs()] == [0, 7, 7]
    assert claimed(store)[-1] == inline


def test_a_job_keeps_its_priority_when_it_is_put_back(store):
    (high,) = with_priority(store, 1)
    low = with_priority(store, 0, 2)
    store.release(store.claim(1))

    assert claimed(store) == [high, *low]


def test_other_lanes_are_left_alone(store):
    with_priority(store, 100, 2)
    (mine,) = store.inline(lane="another")

    assert [claim.job_id for claim in store.claim(lane="another")] == [mine]


def test_a_worker_that_is_not_registered_gets_nothing_of_any_priority(store):
    with_priority(store, 0)
    with_priority(store, 9)

    with store.db.begin() as session:
        assert jobs.claim(session, LANE, 10, "a stranger") == []


def test_two_claimers_at_once_share_and_do_not_wait(postgresql):
    store = postgresql
    low, high = with_priority(store, 0, 4), with_priority(store, 9, 2)
    with store.db.begin() as session:
        first = [claim.job_id for claim in jobs.claim(session, LANE, 3, WORKER)]
        second = claimed(store, 2)

    assert (first, second) == ([*high, low[0]], low[1:3])


def test_the_next_job_due_is_the_soonest_of_all_priorities(store):
    with_priority(store, 100, run_at=now() + 2 * HOUR)
    (soon,) = with_priority(store, -100, run_at=now() + HOUR)

    with store.db.read() as session:
        assert jobs.next_due(session, LANE) == store.job(soon).run_at


def backlog(store, count=ROWS):
    """Thousands of jobs of each of three priorities; those of the two higher ones wait for their time."""
    waiting = {1: HOUR, 50: HOUR, 0: -HOUR}
    shared = {"api_key_id": store.key_id, "endpoint": "/v1/chat/completions", "lane": LANE, "body": "{}"}
    rows = [
        {**shared, "max_attempts": 3, "state": JobState.QUEUED, "priority": priority, "run_at": now() + wait}
        for priority, wait in waiting.items()
        for _ in range(count)
    ]
    with store.db.begin() as session:
        session.execute(insert(tables.jobs), rows)
        session.execute(text("ANALYZE"))


def shown_plans(store, action):
    """The database's plan for each SELECT of an action, as text."""
    return ["\n".join(steps) for steps in plans_of(store.db, "jobs", action)]


def steps_of(store, action):
    """How many steps SQLite's machine takes for an action."""
    counted = [0]

    def count():
        counted[0] += 1

    def watch(connection, *_):
        connection.set_progress_handler(count, 1)

    def leave(connection, *_):
        connection.set_progress_handler(None, 1)

    engine = store.db.engine
    event.listen(engine, "checkout", watch)
    event.listen(engine, "checkin", leave)
    try:
        action()
    finally:
        event.remove(engine, "checkout", watch)
        event.remove(engine, "checkin", leave)
    return counted[0]


def test_a_claim_reads_neither_the_backlog_nor_what_is_not_due(store):
    backlog(store)

    plans = shown_plans(store, lambda: claimed(store, 10))

    assert len(plans) == 4, "the priorities, and a look at each of the three"
    for plan in plans:
        assert "jobs_next" in plan
        assert "Seq Scan on jobs" not in plan
        assert "SCAN jobs" not in plan
    for plan in plans[1:]:
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def test_a_claim_costs_the_same_with_ten_times_the_backlog(sqlite_store, store):
    """Counted in steps of SQLite's machine, where there is one."""
    if store.db is not sqlite_store:
        pytest.skip("PostgreSQL tells no steps: its plan is the same")
    steps = []
    for rows in (200, 2000):
        with store.db.begin() as session:
            session.execute(delete(tables.jobs))
        backlog(store, rows)
        steps.append(steps_of(store, lambda: claimed(store, 10)))

    assert steps[1] < steps[0] * 1.2


def test_what_is_due_next_is_found_by_the_time_alone(store):
    backlog(store)

    def ask():
        with store.db.read() as session:
            jobs.next_due(session, LANE)

    (plan,) = shown_plans(store, ask)
    assert "jobs_due" in plan
