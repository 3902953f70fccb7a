"""The limiter's script against a plain model of it, and the promise that both keep."""

from itertools import cycle, islice

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from headrace.limits import AIM, BURST_SECONDS, MINUTE_MICROSECONDS, connect
from tests.gcra import CAP, FORGET, HORIZON, METERS, SECOND, Model, Script
from tests.lapse import lapse

LANES = st.sampled_from(["small", "large"])
CALLS = st.lists(st.integers(0, 3_000), min_size=1, max_size=8)
STEADILY = settings(
    deadline=None, max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def script(redis_client_url):
    client = connect(redis_client_url)
    yield Script(client)
    client.connection_pool.disconnect()


class Twins(RuleBasedStateMachine):
    """Every verb in any order, with time that passes and steps back, and a Redis that forgets."""

    booked = Bundle("booked")
    script: Script

    def __init__(self):
        super().__init__()
        self.script.client.flushdb()
        self.model, self.count = Model(), 0

    @rule(target=booked, lane=LANES, tokens=CALLS)
    def book(self, lane, tokens):
        calls = [(f"call-{self.count + place}", units) for place, units in enumerate(tokens)]
        self.count += len(calls)
        asked = [value for call_id, units in calls for value in (call_id, 1, units)]
        now, *reply = map(int, self.script("book", lane, METERS, HORIZON, CAP, FORGET, len(calls), *asked))
        wait, slots = self.model.book(now, lane, calls)
        assert reply == [wait, *slots]
        return calls[0][0]

    @rule(call_id=booked, tokens=st.integers(-3_000, 3_000), requests=st.integers(-1, 0))
    def settle(self, call_id, tokens, requests):
        now = int(self.script("settle", "", METERS, 1, call_id, requests, tokens))
        self.model.settle(now, call_id, requests, tokens)

    @rule(lane=LANES | st.just(""), duration=st.integers(0, 15 * SECOND), reason=st.text(max_size=3))
    def pause(self, lane, duration, reason):
        now = int(self.script("pause", lane, [], duration, reason, int(bool(lane))))
        self.model.pause(now, lane, duration, reason)

    @rule(microseconds=st.integers(-SECOND, 3 * SECOND) | st.integers(0, 70 * SECOND))
    def lapse(self, microseconds):
        lapse(self.script.client, microseconds / SECOND)
        self.model.lapse(microseconds)

    @rule()
    def lose_everything(self):
        self.script.client.flushdb()
        self.model = Model()

    @invariant()
    def both_remember_the_same(self):
        for lane in ("small", "large"):
            now, until, reason, flying, *empty_at = self.script("look", lane, METERS)
            assert [int(until), reason, flying] == self.model.look(int(now), lane)
            known = self.model.empty_at or dict.fromkeys(["requests", "tokens"], int(now))
            assert list(map(int, empty_at)) == list(known.values())


def test_the_script_does_what_the_model_does(script):
    Twins.script = script
    run_state_machine_as_test(Twins, settings=STEADILY)


def most_within_a_minute(granted):
    """The largest sum of units whose slots lie within 60 seconds, over all such windows."""
    return max(
        sum(units for slot, units in granted if start <= slot < start + MINUTE_MICROSECONDS)
        for start, _ in granted
    )


STEPS = st.lists(st.floats(1.0, 2.5), min_size=50, max_size=50)
SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=5)
TIGHTNESS = st.sampled_from([0.5, 1, 2])
PAUSES = st.dictionaries(st.integers(0, 49), st.floats(0.1, 3.0), max_size=2)


@settings(STEADILY, phases=[Phase.reuse, Phase.generate])  # to shrink fifty steps would take minutes
@given(steps=STEPS, sizes=SIZES, pauses=PAUSES, rpm=st.integers(1, 240), tightness=TIGHTNESS)
def test_in_any_minute_what_is_granted_stays_within_the_limits(script, steps, sizes, pauses, rpm, tightness):
    """For a queue that always wants more; `tightness` decides whether requests or tokens are the limit."""
    tpm = max(1, round(rpm * sum(sizes) / len(sizes) / tightness))
    script.client.flushdb()
    burst = BURST_SECONDS * SECOND
    meters = [
        ("requests", MINUTE_MICROSECONDS / (rpm * AIM), burst),
        ("tokens", MINUTE_MICROSECONDS / (tpm * AIM), burst),
    ]
    passed, granted = 0, []
    for number, seconds in enumerate(steps):
        lapse(script.client, seconds)
        passed += round(seconds * SECOND)
        if number in pauses:
            script("pause", "", [], pauses[number] * SECOND, "429", 0)
        wanted = list(islice(cycle(sizes), rpm // 12 + 2))  # more than five seconds' worth
        asked = [part for tokens in wanted for part in ("call", 1, tokens)]
        _, _, *slots = script("book", "lane", meters, HORIZON, 0, FORGET, len(wanted), *asked)
        granted += [(int(slot) + passed, tokens) for slot, tokens in zip(slots, wanted, strict=False)]

    assert most_within_a_minute([(slot, 1) for slot, _ in granted]) <= rpm
    assert most_within_a_minute(granted) <= tpm + max(sizes)
