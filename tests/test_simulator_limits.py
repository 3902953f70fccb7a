"""How the simulator counts a minute, against a clock of our own."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.simulator import SimulatorConfig
from headrace.simulator.errors import duration
from headrace.simulator.limiter import Limiter
from headrace.simulator.limits import FixedWindow, RefillingBucket, RollingWindow

ARRIVALS = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 30)), max_size=60)


def admitted(window, arrivals):
    now, let_in = 1000.0, []
    for gap, amount in arrivals:
        now += gap
        if window.wait(now, amount) == 0:
            window.take(now, amount)
            let_in.append((now, amount))
    return let_in


@given(ARRIVALS, st.integers(1, 100))
def test_a_rolling_minute_never_holds_more_than_its_limit(arrivals, limit):
    let_in = admitted(RollingWindow(limit), arrivals)
    for start, _ in let_in:
        assert sum(amount for at, amount in let_in if start <= at < start + 60) <= limit


@given(ARRIVALS, st.integers(1, 100))
def test_a_fixed_minute_never_holds_more_than_its_limit(arrivals, limit):
    let_in = admitted(FixedWindow(limit), arrivals)
    for minute in {at // 60 for at, _ in let_in}:
        assert sum(amount for at, amount in let_in if at // 60 == minute) <= limit


@given(ARRIVALS, st.integers(30, 100))
def test_a_bucket_never_gives_more_than_it_held_and_got(arrivals, limit):
    let_in = admitted(RefillingBucket(limit), arrivals)
    for start, _ in let_in:
        for end, _ in let_in:
            given_out = sum(amount for at, amount in let_in if start <= at <= end)
            assert given_out <= limit + (end - start) * limit / 60 + 1e-6 or end < start


@given(ARRIVALS, st.integers(1, 30), st.sampled_from([RollingWindow, FixedWindow, RefillingBucket]))
def test_what_waits_as_long_as_it_is_told_fits(arrivals, amount, kind):
    window = kind(30)
    admitted(window, arrivals)
    now = 1000.0 + sum(gap for gap, _ in arrivals)
    assert window.wait(now + window.wait(now, amount) + 1e-6, amount) == 0
    assert window.wait(now, 31) == inf


def test_a_small_bucket_lets_a_large_request_in_on_credit():
    bucket = RefillingBucket(600, burst_seconds=2)
    assert bucket.remaining(0.0) == 20
    assert bucket.wait(0.0, 100) == 0
    bucket.take(0.0, 100)
    assert bucket.wait(0.0, 1) == pytest.approx(8.1)


@pytest.mark.parametrize("count_refused", [False, True])
def test_refused_requests_count_only_if_told(count_refused):
    limiter = Limiter(SimulatorConfig(rpm=1, count_refused=count_refused))
    limiter.charge(0.0, 5)
    refusal = limiter.check(59.0, 5)
    assert refusal
    assert refusal.kind == "requests"
    assert (limiter.check(61.0, 5) is None) is not count_refused


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.02, "20ms"),
        (1, "1s"),
        (3.89, "3.89s"),
        (360, "6m0s"),
        (432, "7m12s"),
        (3661.5, "1h1m1.5s"),
    ],
)
def test_durations_are_spelt_as_go_does(seconds, text):
    assert duration(seconds) == text
