"""Until the provider is known to accept a quota's calls, three may find out."""

import pytest

from headrace.limits import Limiter, Settled, connect
from tests.lapse import lapse
from tests.quotas import about, asks, quota

pytest_plugins = ["tests.limiting"]

OPEN = quota(rpm=60_000)


def granted(limiter, lane="lane", count=10, prefix="call"):
    return len(limiter.book(OPEN, lane, asks(count, prefix=prefix)).delays_seconds)


def heard(limiter, call_id, lane="lane", **what):
    limiter.settle(OPEN, [Settled(call_id, 0, lane=lane, **what)])


def test_three_calls_go_over_all_workers_and_the_rest_may_ask_again_at_once(limiter, redis_client_url):
    client = connect(redis_client_url)
    another = Limiter(client)
    assert (granted(limiter, count=2), granted(another, prefix="other")) == (2, 1)

    booking = another.book(OPEN, "lane", asks(1))
    client.connection_pool.disconnect()

    assert booking.delays_seconds == []
    assert booking.wait_seconds == about(0)


def test_one_good_answer_opens_the_lane(limiter):
    granted(limiter)

    heard(limiter, "call-1", accepted=True)

    assert granted(limiter) == 10


def test_other_answers_open_nothing(limiter):
    granted(limiter)

    for number in range(3):
        heard(limiter, f"call-{number}")

    assert granted(limiter) == 0


def test_ten_seconds_without_a_refusal_open_the_lane(limiter, redis):
    granted(limiter)
    lapse(redis, 9, limiter)
    assert granted(limiter) == 0

    lapse(redis, 1.5, limiter)

    assert granted(limiter) == 10


def test_a_call_that_was_never_sent_leaves_its_try_to_another(limiter, redis):
    granted(limiter)

    heard(limiter, "call-1", sent=False)
    assert granted(limiter, prefix="next") == 1
    for call_id in ("call-0", "next-0", "call-2"):
        heard(limiter, call_id, sent=False)
    lapse(redis, 11, limiter)

    assert granted(limiter, prefix="later") == 3, "nothing was shown, however long ago it was"


def test_lanes_share_the_first_tries_and_then_have_their_own(limiter):
    assert (granted(limiter, "a", 2), granted(limiter, "b", prefix="b")) == (2, 1)
    heard(limiter, "call-0", "a", accepted=True)

    assert granted(limiter, "a") == 10
    assert granted(limiter, "b", prefix="more") == 2
    assert granted(limiter, "c", prefix="c") == 3


def test_a_refused_account_closes_all_lanes_and_reopens_with_three_calls(in_use, limiter, redis):
    in_use(OPEN, "a", "b")

    limiter.pause(OPEN, 60, "401", refused=True)
    assert (granted(limiter, "a"), granted(limiter, "b")) == (0, 0)
    for _ in range(2):
        lapse(redis, 60, limiter)
        assert granted(limiter, "a", 2, "again") + granted(limiter, "b", prefix="b") == 3
        limiter.pause(OPEN, 60, "401", refused=True)
    lapse(redis, 60, limiter)
    granted(limiter, "a", prefix="last")
    heard(limiter, "last-0", "a", accepted=True)

    assert granted(limiter, "a") == 10


def test_a_good_answer_from_before_a_refusal_opens_nothing(in_use, limiter, redis):
    in_use(OPEN)
    granted(limiter, prefix="before")

    limiter.pause(OPEN, 60, "401", refused=True)
    heard(limiter, "before-0", accepted=True)
    lapse(redis, 60, limiter)

    assert granted(limiter) == 3


def test_an_unknown_model_closes_its_lane_and_no_other(in_use, limiter, redis):
    in_use(OPEN, "good", "bad")

    limiter.pause(OPEN, 60, "404", lane="bad", refused=True)

    assert (granted(limiter, "bad"), granted(limiter, "good")) == (0, 10)
    lapse(redis, 60, limiter)
    assert (granted(limiter, "bad"), granted(limiter, "good", prefix="more")) == (3, 10)


def test_an_unknown_model_at_the_start_leaves_the_first_tries_to_others(limiter):
    granted(limiter, "bad", prefix="bad")

    limiter.pause(OPEN, 60, "404", lane="bad", refused=True)

    assert granted(limiter, "good") == 3


@pytest.mark.parametrize("lane", [None, "lane"])
def test_what_was_only_too_fast_is_trusted_still(in_use, limiter, redis, lane):
    in_use(OPEN)

    limiter.pause(OPEN, 30, "429", lane=lane)
    lapse(redis, 45, limiter)

    assert granted(limiter) == 10
