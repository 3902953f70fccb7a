"""Time: the database's, carried on by a clock that nobody can set."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from headrace import clock
from headrace.clock import LOOK_SECONDS, Clock
from headrace.db import Database

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Host:
    """A host whose clock can be set, and which knows what time passes all the same."""

    def __init__(self):
        self.time = NOON
        self.seconds = 100.0
        self.clock = Clock(lambda: self.time, lambda: self.seconds)

    def let_pass(self, seconds):
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def host():
    return Host()


def test_before_the_first_look_it_is_the_hosts(host):
    host.let_pass(3)

    assert host.clock.now() == NOON + timedelta(seconds=3)


def test_after_a_look_the_hosts_clock_does_not_matter(host):
    host.clock.look(lambda: NOON + HOUR)
    host.let_pass(2)
    for jump in (-HOUR, HOUR, HOUR):
        host.time += jump

        assert host.clock.now() == NOON + HOUR + timedelta(seconds=2)


def test_it_looks_again_after_ten_seconds_and_not_before(host):
    asked = []

    def ask():
        asked.append(host.seconds)
        return NOON

    for _ in range(25):
        host.clock.look(ask)
        host.let_pass(1)

    assert asked == [100, 100 + LOOK_SECONDS, 100 + 2 * LOOK_SECONDS]


def test_it_never_runs_ahead_of_what_it_was_told(host):
    def ask():
        told = host.time
        host.let_pass(0.5)
        return told

    host.clock.look(ask)

    assert host.clock.now() == NOON


def test_an_answer_that_took_long_is_used_only_if_there_is_no_other(host):
    def ask():
        told = host.time
        host.let_pass(20)
        return told

    host.clock.look(ask)
    assert host.clock.now() == NOON
    host.let_pass(10)
    host.clock.look(ask)
    assert host.clock.now() == NOON + timedelta(seconds=30), "it goes on from the first look"

    host.clock.look(lambda: host.time)
    assert host.clock.now() == host.time


@pytest.mark.parametrize("way_in", ["begin", "read"])
def test_a_unit_of_work_looks_at_the_databases_clock(database_url, monkeypatch, way_in):
    """The host's is an hour behind. SQLite has no other."""
    monkeypatch.setattr("headrace.clock._clock", Clock(clock.host, time.monotonic))
    behind = datetime.now(UTC) - HOUR
    monkeypatch.setattr("headrace.clock.host", lambda: behind)
    database = Database(database_url)
    with getattr(database, way_in)():
        told = clock.now()
    database.close()

    expected = behind if database_url.startswith("sqlite") else behind + HOUR
    assert abs(told - expected) < timedelta(minutes=1)
