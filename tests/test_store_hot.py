"""The statements that run for every job look at its row alone, and change many rows at once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from headrace.clock import now
from headrace.states import JobState
from headrace.store import jobs, landings, tables
from headrace.store.among import among
from headrace.store.bulk_updates import update_many
from tests.kinds import on_sqlite
from tests.plans import plans_of
from tests.scene import USAGE, WORKER, succeeded

pytest_plugins = ["tests.databases"]


@on_sqlite
@pytest.mark.parametrize("table", ["jobs", "attempts"])
def test_neither_departures_nor_landings_look_at_all_rows(store, table):
    store.batch(5)
    claims = store.claim()

    def depart_and_land():
        leaving = store.depart(claims)
        with store.db.begin() as session:
            landings.land(session, [succeeded(departure) for departure in leaving])

    plans = plans_of(store.db, table, depart_and_land)

    assert len(plans) >= 2
    assert not [step for plan in plans for step in plan if step.startswith(f"SCAN {table}")], plans


@on_sqlite
def test_neither_a_claim_nor_a_departure_changes_rows_by_looking_at_all(store):
    with store.db.begin() as session:
        connection = session.connection()
        for statement in (jobs._LEASED, jobs._SENT):
            text = str(statement.compile(dialect=connection.dialect))
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("[1]",) * text.count("?")).all()
            assert any("SEARCH jobs USING INTEGER PRIMARY KEY" in row[-1] for row in rows)


@pytest.mark.parametrize("wanted", [[], [2], [1, 3, 99], [3, 3, 1]])
def test_rows_are_found_by_their_ids_however_many(store, wanted):
    store.batch(4)
    known = sorted(job.id for job in store.jobs())
    ids = [known[place - 1] if place <= len(known) else 10**9 for place in wanted]

    with store.db.read() as session:
        found = session.execute(
            select(tables.jobs.c.id).where(among(tables.jobs.c.id, "ids")), {"ids": ids}
        ).scalars()
        assert sorted(found) == sorted(set(ids) & set(known))


def test_names_with_quotes_are_found_like_others(store):
    names = ["plain", "it's", '"', "\\", "{}", "你好", ","]
    asked = select(tables.workers.c.id).where(among(tables.workers.c.id, "ids"))

    with store.db.read() as session:
        assert session.execute(asked, {"ids": [*names, WORKER]}).scalars().all() == [WORKER]


def test_each_row_gets_its_own_values_what_is_added_and_what_all_share(store):
    store.batch(3)
    first, second, third = store.jobs()
    later = now() + timedelta(hours=1)

    with store.db.begin() as session:
        rows = [(first.id, "a", later, 2, 10), (second.id, None, now(), 0, 5)]
        names = ("error_code", "run_at")
        shared = {"error_message": "both", "finished_at": None}
        update_many(session, tables.jobs, names, rows, plus=("calls", "total_tokens"), shared=shared)

    one, two, three = store.jobs()
    assert (one.error_code, one.run_at, one.calls, one.total_tokens) == ("a", later, 2, 10)
    assert (two.error_code, two.calls, two.total_tokens) == (None, 0, 5)
    assert {one.error_message, two.error_message} == {"both"}
    assert three == third


def test_no_rows_are_no_statement(store):
    with store.db.begin() as session:
        update_many(session, tables.jobs, ("state",), [], shared={})


def test_calls_of_one_job_that_land_together_are_all_booked(store):
    batch_id = store.batch(1, max_attempts=5)
    flights = []
    for worker in ("worker-2", "worker-3", "worker-4"):
        flights += store.fly(worker=worker)
        store.rescue(worker)

    store.land(*map(succeeded, flights))

    (job,) = store.jobs()
    spent = 3 * USAGE.total_tokens
    assert (job.state, job.total_tokens) == (JobState.SUCCEEDED, spent)
    assert store.batch_row(batch_id).total_tokens == spent
