"""A pause closes a quota or a lane for everybody, and what follows it begins gently."""

import time
from itertools import pairwise

import pytest

from tests.lapse import lapse
from tests.quotas import NOW, SIX_HUNDRED, SPACE, about, asks

pytest_plugins = ["tests.limiting"]


def distances(delays):
    return [later - sooner for sooner, later in pairwise(delays)]


def test_a_pause_closes_the_quota_for_every_lane(in_use, limiter):
    in_use(SIX_HUNDRED)
    limiter.pause(SIX_HUNDRED, 30, "429: too fast")

    for lane in ("lane", "other"):
        booking = limiter.book(SIX_HUNDRED, lane, asks(2))
        assert booking.delays_seconds == []
        assert booking.wait_seconds == about(30 + SPACE)
        view = limiter.look(SIX_HUNDRED, lane)
        assert (view.paused_seconds, view.reason) == (about(30), "429: too fast")


def test_a_pause_of_one_lane_leaves_the_others_open(in_use, limiter):
    in_use(SIX_HUNDRED, "lane", "other")
    limiter.pause(SIX_HUNDRED, 30, "404: no such model", lane="lane")

    assert limiter.book(SIX_HUNDRED, "lane", asks(1)).wait_seconds == about(30)
    assert limiter.look(SIX_HUNDRED, "lane").reason == "404: no such model"
    assert limiter.book(SIX_HUNDRED, "other", asks(1)).delays_seconds == [NOW]
    assert limiter.look(SIX_HUNDRED).paused_seconds == 0


def test_a_pause_never_shortens_another(limiter):
    limiter.pause(SIX_HUNDRED, 30, "long")
    limiter.pause(SIX_HUNDRED, 1, "short")
    limiter.pause(SIX_HUNDRED, 1, "short", lane="lane")

    assert limiter.look(SIX_HUNDRED, "lane").paused_seconds == about(30)
    assert limiter.look(SIX_HUNDRED, "lane").reason == "long"
    limiter.pause(SIX_HUNDRED, 60, "longer", lane="lane")
    assert limiter.look(SIX_HUNDRED, "lane").paused_seconds == about(60)
    assert limiter.look(SIX_HUNDRED, "lane").reason == "longer"
    assert limiter.look(SIX_HUNDRED, "other").reason == "long"


def test_a_pause_that_ends_within_the_horizon_gives_slots_behind_it(in_use, limiter):
    in_use(SIX_HUNDRED)
    limiter.pause(SIX_HUNDRED, 1, "429")

    delays = limiter.book(SIX_HUNDRED, "lane", asks(3)).delays_seconds

    assert delays[0] == about(1 + SPACE)
    assert distances(delays) == pytest.approx([2 * SPACE] * 2, abs=2e-5)


@pytest.mark.parametrize("asked_meanwhile", [True, False])
def test_a_reopened_quota_starts_without_a_burst_and_at_half_speed(in_use, limiter, redis, asked_meanwhile):
    in_use(SIX_HUNDRED)
    limiter.book(SIX_HUNDRED, "lane", asks(1))
    limiter.pause(SIX_HUNDRED, 30, "429")
    reopened = time.monotonic()
    if asked_meanwhile:
        limiter.book(SIX_HUNDRED, "lane", asks(1))
    lapse(redis, 30, limiter)
    assert limiter.look(SIX_HUNDRED).paused_seconds == 0
    assert limiter.look(SIX_HUNDRED).reason == ""

    delays = limiter.book(SIX_HUNDRED, "lane", asks(15)).delays_seconds

    later = [delay for delay in delays if delay > 0]
    assert len(delays) - len(later) <= 1 + (time.monotonic() - reopened) / SPACE, "no stampede"
    assert distances(later) == pytest.approx([2 * SPACE] * (len(later) - 1), abs=2e-5)


def test_ten_seconds_after_the_reopening_it_is_full_speed_again(in_use, limiter, redis):
    in_use(SIX_HUNDRED)
    limiter.pause(SIX_HUNDRED, 30, "429")
    lapse(redis, 40.5, limiter)

    delays = limiter.book(SIX_HUNDRED, "lane", asks(20)).delays_seconds

    assert delays == pytest.approx([max(0.0, number * SPACE - 1) for number in range(1, 21)], abs=2e-5)
