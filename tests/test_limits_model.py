"""The Lua script against a plain model of it, over any sequence of verbs, and the promise that both keep."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import headrace.limits
from headrace.limits import AIM, BURST_SECONDS, MINUTE_MICROSECONDS, connect
from tests.lapse import lapse

SECOND = 1_000_000
HORIZON = 2 * SECOND
FORGET = 20 * SECOND
SLOW_START = 10 * SECOND
CAP = 6

# Name, microseconds of a unit, burst: 10 requests and 1,000 tokens a second, all whole numbers.
METERS = (("requests", 100_000, SECOND), ("tokens", 1_000, SECOND))

LANES = st.sampled_from(["small", "large"])
CALLS = st.lists(st.integers(0, 3_000), min_size=1, max_size=8)
STEADILY = settings(
    deadline=None, max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)


class Script:
    """limits.lua, called as its header says: verb, lane, meters, then the verb's own arguments."""

    def __init__(self, client):
        self.client = client
        path = Path(headrace.limits.__file__).with_name("limits.lua")
        self.lua = client.register_script(path.read_text())

    def __call__(self, verb, lane, meters, *arguments):
        stated = [verb, lane, len(meters), *(value for meter in meters for value in meter), *arguments]
        return self.lua(keys=["{q}", "{q}:in-flight"], args=stated)


@pytest.fixture
def script(redis_client_url):
    client = connect(redis_client_url)
    yield Script(client)
    client.connection_pool.disconnect()


class Model:
    """Buckets that leak a microsecond each microsecond: a call goes when its cost fits above what is left."""

    def __init__(self):
        self.empty_at: dict[str, int] = {}
        self.closed_until: dict[str, int] = {}
        self.reason: dict[str, str] = {}
        self.slow_until = 0
        self.flying: dict[str, int] = {}

    def touch(self, now):
        for name, *_ in METERS:
            self.empty_at.setdefault(name, now)

    def book(self, now, lane, calls):
        self.touch(now)
        self.forget(now)
        for name, _, burst in METERS:
            self.empty_at[name] = max(self.empty_at[name], self.closed_until.get("", 0) + burst)
        slots: list[int] = []
        for call_id, tokens in calls:
            slot = self.slot(now, lane, tokens)
            if slot > now + HORIZON or len(self.flying) >= CAP:
                return max(slot - now, 0), slots
            for name, cost, _ in self.costs(tokens):
                pace = 2 if slot < self.slow_until else 1
                self.empty_at[name] = max(self.empty_at[name], slot) + cost * pace
            self.flying[call_id] = slot + FORGET
            slots.append(slot)
        return -1, slots

    def slot(self, now, lane, tokens):
        opens = [now, self.closed_until.get("", 0), self.closed_until.get(lane, 0)]
        fits = [self.empty_at[name] - max(burst - cost, 0) for name, cost, burst in self.costs(tokens)]
        return max(opens + fits)

    def costs(self, tokens):
        return [(name, unit * (tokens if name == "tokens" else 1), burst) for name, unit, burst in METERS]

    def settle(self, now, call_id, requests, tokens):
        self.touch(now)
        self.flying.pop(call_id, None)
        for (name, unit, _), units in zip(METERS, (requests, tokens), strict=True):
            self.empty_at[name] = max(now, self.empty_at[name] + units * unit)

    def pause(self, now, lane, duration, reason):
        if now + duration <= self.closed_until.get(lane, 0):
            return
        self.closed_until[lane], self.reason[lane] = now + duration, reason
        if not lane:
            self.slow_until = now + duration + SLOW_START

    def forget(self, now):
        self.flying = {call_id: until for call_id, until in self.flying.items() if until > now}

    def look(self, now, lane):
        self.forget(now)
        all_, one = self.closed_until.get("", 0), self.closed_until.get(lane, 0)
        reason = self.reason.get(lane if one > all_ else "", "")
        return [max(all_, one), reason, len(self.flying)]

    def lapse(self, microseconds):
        for times in (self.empty_at, self.closed_until, self.flying):
            times.update({key: at - microseconds for key, at in times.items()})
        self.slow_until -= microseconds


def test_the_script_does_what_the_model_does(script):
    class Twins(RuleBasedStateMachine):
        booked = Bundle("booked")

        @initialize()
        def begin(self):
            script.client.flushdb()
            self.model, self.count = Model(), 0

        @rule(target=booked, lane=LANES, tokens=CALLS)
        def book(self, lane, tokens):
            calls = [(f"call-{self.count + place}", units) for place, units in enumerate(tokens)]
            self.count += len(calls)
            asked = [value for call_id, units in calls for value in (call_id, 1, units)]
            now, *reply = map(int, script("book", lane, METERS, HORIZON, CAP, FORGET, len(calls), *asked))
            wait, slots = self.model.book(now, lane, calls)
            assert reply == [wait, *slots]
            return calls[0][0]

        @rule(call_id=booked, tokens=st.integers(-3_000, 3_000), requests=st.integers(-1, 0))
        def settle(self, call_id, tokens, requests):
            now = int(script("settle", "", METERS, 1, call_id, requests, tokens))
            self.model.settle(now, call_id, requests, tokens)

        @rule(lane=LANES | st.just(""), duration=st.integers(0, 15 * SECOND), reason=st.text(max_size=3))
        def pause(self, lane, duration, reason):
            now = int(script("pause", lane, [], duration, reason, int(bool(lane))))
            self.model.pause(now, lane, duration, reason)

        @rule(microseconds=st.integers(-SECOND, 3 * SECOND) | st.integers(0, 70 * SECOND))
        def lapse(self, microseconds):
            lapse(script.client, microseconds / SECOND)
            self.model.lapse(microseconds)

        @rule()
        def lose_everything(self):
            script.client.flushdb()
            self.model = Model()

        @rule(lane=LANES)
        def look(self, lane):
            now, until, reason, flying, *empty_at = script("look", lane, METERS)
            assert [int(until), reason, flying] == self.model.look(int(now), lane)
            known = self.model.empty_at or dict.fromkeys(["requests", "tokens"], int(now))
            assert list(map(int, empty_at)) == list(known.values())

    run_state_machine_as_test(Twins, settings=STEADILY)


def most_within_a_minute(granted):
    """The largest sum of units whose slots lie within 60 seconds, over all such windows."""
    return max(
        sum(units for slot, units in granted if start <= slot < start + MINUTE_MICROSECONDS)
        for start, _ in granted
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.lists(st.integers(1, 400), min_size=1, max_size=30)),
        st.tuples(st.just("book"), st.integers(1, 30).map(lambda count: [50] * count)),
        st.tuples(st.just("lapse"), st.floats(0, 20)),
        st.tuples(st.just("pause"), st.floats(0, 10)),
    ),
    min_size=5,
    max_size=60,
)


@STEADILY
@given(steps=STEPS, rpm=st.integers(1, 2_000), tpm=st.integers(1_000, 100_000))
def test_in_any_minute_what_is_granted_stays_within_the_limits(script, steps, rpm, tpm):
    script.client.flushdb()
    burst = BURST_SECONDS * SECOND
    meters = [
        ("requests", MINUTE_MICROSECONDS / (rpm * AIM), burst),
        ("tokens", MINUTE_MICROSECONDS / (tpm * AIM), burst),
    ]
    passed, granted = Fraction(0), []
    for verb, value in steps:
        if verb == "book":
            asked = [part for tokens in value for part in ("call", 1, tokens)]
            _, _, *slots = script("book", "lane", meters, HORIZON, 0, FORGET, len(value), *asked)
            granted += [(int(slot) + passed, tokens) for slot, tokens in zip(slots, value, strict=False)]
        elif verb == "lapse":
            lapse(script.client, value)
            passed += round(value * SECOND)
        else:
            script("pause", "", [], value * SECOND, "429", 0)

    if granted:
        assert most_within_a_minute([(slot, 1) for slot, _ in granted]) <= rpm
        assert most_within_a_minute(granted) <= tpm + max(tokens for _, tokens in granted)
