"""The limiter's script against a plain model of it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from headrace.limits import connect
from tests.gcra import FORGET, METERS, SECOND, Caller, Model
from tests.lapse import lapse

LANES = st.sampled_from(["small", "large"])
CALLERS = st.sampled_from([0, 1])
CALLS = st.lists(st.integers(0, 3_000), min_size=1, max_size=8)
STEADILY = settings(
    deadline=None, max_examples=50, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def client(redis_client_url):
    client = connect(redis_client_url)
    yield client
    client.connection_pool.disconnect()


class Twins(RuleBasedStateMachine):
    """Every verb in any order from two callers, with time that passes and steps back, and all that forget."""

    booked = Bundle("booked")
    client: Any

    def __init__(self):
        super().__init__()
        self.client.flushdb()
        self.callers = [Caller(self.client), Caller(self.client)]
        self.model, self.count = Model(), 0

    @rule(target=booked, by=CALLERS, lane=LANES, tokens=CALLS)
    def book(self, by, lane, tokens):
        calls = [(f"call-{self.count + place}", units) for place, units in enumerate(tokens)]
        self.count += len(calls)
        before, informed = self.callers[by].knowledge, self.callers[by].informed
        now, *reply = self.callers[by].book(lane, calls)
        wait, slots = self.model.book(now, lane, calls, before, informed)
        assert reply == [wait, *slots]
        assert self.callers[by].knowledge == (self.model.made, self.model.empty_at)
        return calls[0][0], lane

    @rule(
        by=CALLERS,
        call=booked,
        showed=st.sampled_from([1, 0, -1]),
        tokens=st.integers(-3_000, 3_000),
        requests=st.integers(-1, 0),
    )
    def settle(self, by, call, showed, tokens, requests):
        before = self.callers[by].knowledge
        (now,) = self.callers[by].settle(*call, showed, requests, tokens)
        self.model.settle(now, call, showed, requests, tokens, before)
        assert self.callers[by].knowledge == (self.model.made, self.model.empty_at)

    @rule(by=CALLERS, calls=st.lists(booked, max_size=3))
    def renew(self, by, calls):
        ids = [call_id for call_id, _ in calls]
        now = int(self.callers[by]("renew", "", [], FORGET, len(ids), *ids))
        self.model.renew(now, ids, self.callers[by].made)

    @rule(
        lane=LANES | st.just(""),
        duration=st.integers(0, 15 * SECOND),
        reason=st.text(max_size=3),
        refused=st.booleans(),
    )
    def pause(self, lane, duration, reason, refused):
        stated = (duration, reason, int(bool(lane)), int(refused))
        now = int(self.callers[0]("pause", lane, [], *stated))
        self.model.pause(now, lane, duration, reason, refused)

    @rule(microseconds=st.integers(-SECOND, 3 * SECOND) | st.integers(0, 70 * SECOND))
    def lapse(self, microseconds):
        lapse(self.client, microseconds / SECOND)
        for caller in self.callers:
            caller.lapse(microseconds)
        self.model.lapse(microseconds)

    @rule()
    def lose_everything(self):
        self.client.flushdb()
        self.model = Model()

    @rule(by=CALLERS)
    def restart_a_caller(self, by):
        self.callers[by].forget()

    @invariant()
    def both_remember_the_same(self):
        for lane in ("small", "large"):
            now, until, reason, flying, *empty_at = self.callers[0]("look", lane, METERS)
            assert [int(until), reason, flying] == self.model.look(int(now), lane)
            known = self.model.empty_at or dict.fromkeys(["requests", "tokens"], int(now))
            assert list(map(int, empty_at)) == list(known.values())


def test_the_script_does_what_the_model_does(client):
    Twins.client = client
    run_state_machine_as_test(Twins, settings=STEADILY)
