"""Every process asks for a drain of each lane that is due and that it has none of."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from headrace.clock import now
from headrace.store.workers import open_lanes
from tests.scene import LANE, retried
from worker.lookout import Lookout
from worker.stopping import StopFlag

pytest_plugins = ["tests.databases", "tests.hints"]


@pytest.fixture
def look(store, hints):
    """Looks as a process that drains the lanes that are named; returns what it asked for."""

    def look(*draining):
        Lookout(store.db, StopFlag(), lambda lane: lane in draining).look()
        return hints.taken()

    return look


@pytest.fixture
def lanes(store):
    with store.db.begin() as session:
        open_lanes(session, [LANE, "another", "nobody-asks-for-it"])


@pytest.mark.usefixtures("lanes")
def test_a_lane_with_due_jobs_is_asked_for_at_every_look_until_it_is_drained_here(store, look):
    store.batch(lines=3)

    assert look() == look() == look("another") == [("headrace.drain", LANE)]
    assert look(LANE) == []


@pytest.mark.usefixtures("lanes")
def test_every_lane_with_due_jobs_is_asked_for(store, look):
    store.batch()
    store.inline(lane="another")

    assert sorted(look()) == [("headrace.drain", "another"), ("headrace.drain", LANE)]


@pytest.mark.usefixtures("lanes")
def test_nobody_is_asked_before_a_job_is_due(store, look):
    store.batch()
    store.land(*(retried(flight, now() + timedelta(minutes=10)) for flight in store.fly()))

    assert look() == []


@pytest.mark.usefixtures("lanes")
def test_what_the_database_refuses_is_asked_for_at_the_next_look(store, look):
    store.batch()
    rename(store, "lanes", "lanes_away")
    try:
        assert look() == []
    finally:
        rename(store, "lanes_away", "lanes")

    assert look() == [("headrace.drain", LANE)]


def rename(store, old, new):
    with store.db.begin() as session:
        session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
