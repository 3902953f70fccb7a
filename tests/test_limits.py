"""The limiter on a real Valkey: what is booked, when, and how it is corrected."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.limits import AIM, Ask, Limiter, Settled, connect
from tests.lapse import lapse
from tests.quotas import NOW, SIX_HUNDRED, SPACE, about, asks, quota

pytest_plugins = ["tests.limiting"]


def test_a_burst_of_a_second_goes_at_once_and_the_rest_at_even_distances(in_use, limiter):
    booking = limiter.book(in_use(SIX_HUNDRED), "lane", asks(20))

    assert booking.delays_seconds == pytest.approx(
        [max(0.0, number * SPACE - 1) for number in range(1, 21)], abs=2e-5
    )
    assert booking.wait_seconds is None


def test_what_has_no_slot_within_two_seconds_is_not_booked_and_told_its_wait(in_use, limiter):
    booking = limiter.book(in_use(SIX_HUNDRED), "lane", asks(100))
    granted = len(booking.delays_seconds)

    assert granted == int(3 / SPACE)
    assert max(booking.delays_seconds) <= 2
    assert booking.wait_seconds == pytest.approx((granted + 1) * SPACE - 1, abs=2e-5)
    again = limiter.book(SIX_HUNDRED, "lane", asks(1))
    assert again.delays_seconds == []
    assert again.wait_seconds == about(booking.wait_seconds)


def test_slots_are_given_in_the_order_of_asking(in_use, limiter):
    by_tokens = in_use(quota(tpm=60_000))
    size = [Ask("small", 10), Ask("large", 3_000), Ask("tiny", 1), Ask("small too", 10)]

    delays = limiter.book(by_tokens, "lane", size).delays_seconds

    assert delays == sorted(delays)
    later = limiter.book(by_tokens, "lane", [Ask("huge", 5_000), Ask("tiny", 1)])
    assert later.delays_seconds == [], "a small request does not overtake a large one"


def test_the_slowest_meter_decides_and_every_meter_is_charged(in_use, limiter):
    both = in_use(quota(rpm=600, tpm=6_000))

    booking = limiter.book(both, "lane", asks(3, tokens=97))

    assert booking.delays_seconds == pytest.approx([0, 1, 2], abs=2e-5)
    assert limiter.book(quota(rpm=600), "lane", asks(11)).delays_seconds[0] > 0, "requests were counted too"


def test_days_are_metered_like_minutes(in_use, limiter):
    for limited in (quota("r", rpd=8_640), quota("t", tpd=8_640)):
        booking = limiter.book(in_use(limited), "lane", asks(200))

        burst = int(24 * 60 / (10 / AIM))  # a sixtieth of the day, at one every ten seconds
        assert booking.delays_seconds == [NOW] * burst
        assert booking.wait_seconds == about((burst + 1) * 10 / AIM - 24 * 60)


def test_a_request_larger_than_the_burst_goes_when_nothing_is_owed_and_leaves_a_debt(in_use, limiter):
    by_tokens = in_use(quota(tpm=6_000))  # 97 a second

    assert limiter.book(by_tokens, "lane", [Ask("large", 970)]).delays_seconds == [NOW]

    assert limiter.book(by_tokens, "lane", [Ask("small", 1)]).wait_seconds == about(9)
    assert limiter.book(by_tokens, "lane", [Ask("large too", 970)]).wait_seconds == about(10)


def test_a_quota_without_limits_gives_every_slot_now(in_use, limiter):
    booking = limiter.book(in_use(quota()), "lane", asks(500, tokens=10**6))

    assert booking.delays_seconds == [0.0] * 500
    assert booking.wait_seconds is None
    assert limiter.book(quota(), "lane", []).delays_seconds == []


def test_quotas_do_not_touch_each_other(limiter):
    one = quota("q", "p", rpm=1)
    limiter.book(one, "lane", asks(1))
    limiter.pause(one, 60, "full")

    for other in (quota("q2", "p", rpm=1), quota("q", "p2", rpm=1)):
        assert limiter.book(other, "lane", asks(1)).delays_seconds == [NOW]
        assert limiter.look(other).paused_seconds == 0


def test_using_less_than_was_booked_makes_room(in_use, limiter):
    by_tokens = in_use(quota(tpm=6_000))
    limiter.book(by_tokens, "lane", [Ask("large", 970)])

    limiter.settle(by_tokens, [Settled("large", 97 - 970)])

    assert limiter.book(by_tokens, "lane", [Ask("next", 97)]).delays_seconds == [about(1)]


def test_using_more_than_was_booked_takes_room(in_use, limiter):
    by_tokens = in_use(quota(rpm=600, tpm=6_000))
    limiter.book(by_tokens, "lane", [Ask("small", 97)])

    limiter.settle(by_tokens, [Settled("small", 970 - 97)])

    assert limiter.book(by_tokens, "lane", [Ask("next", 97)]).wait_seconds == about(10)


def test_settling_never_makes_more_room_than_an_idle_quota_has(in_use, limiter):
    by_tokens = in_use(quota(tpm=6_000))
    limiter.book(by_tokens, "lane", [Ask("call", 97)])

    limiter.settle(by_tokens, [Settled("call", -5_000)])

    assert limiter.book(by_tokens, "lane", asks(2, tokens=97)).delays_seconds == [NOW, about(1)]


def test_a_call_that_was_never_sent_gives_all_back(in_use, limiter):
    both = in_use(quota(rpm=60, tpm=6_000))
    before = limiter.book(both, "lane", [Ask("first", 10)]), limiter.book(both, "lane", [Ask("unsent", 10)])

    limiter.settle(both, [Settled("unsent", -10, sent=False)])
    again = limiter.book(both, "lane", [Ask("second", 10)])

    assert again.delays_seconds == about(before[1].delays_seconds)


def test_slots_that_passed_unused_come_on_top_of_nothing(in_use, limiter, redis):
    """As when the database was away: nothing left in the last seconds, and slots ahead are given."""
    paced = in_use(quota(rpm=600))
    passed = []
    for second in range(3):
        slots = limiter.book(paced, "lane", asks(40, prefix=f"{second}")).delays_seconds
        passed += [Settled(f"{second}-{number}", -10, sent=False) for number in range(len(slots))]
        lapse(redis, 1, limiter)
    ahead = limiter.book(paced, "lane", asks(40, prefix="ahead")).delays_seconds
    lapse(redis, 1, limiter)

    limiter.settle(paced, passed)
    again = limiter.book(paced, "lane", asks(40, prefix="again")).delays_seconds

    assert len(ahead) + len(again) <= 10 * (2 + 1) + 1  # two seconds of slots, and a burst of one


def test_a_sent_call_gives_no_request_back(in_use, limiter):
    sparse = in_use(quota(rpm=60))
    limiter.book(sparse, "lane", [Ask("first", 10)])

    limiter.settle(sparse, [Settled("first", -10)])

    assert limiter.book(sparse, "lane", [Ask("second", 10)]).delays_seconds == [about(60 / 60 / AIM)]


def test_no_more_calls_fly_than_the_cap_over_all_limiters(in_use, redis_client_url):
    capped = in_use(quota(max_in_flight=5))
    limiters = [Limiter(connect(redis_client_url)) for _ in range(3)]
    granted = [
        len(limiter.book(capped, "lane", asks(3, prefix=f"worker{number}")).delays_seconds)
        for number, limiter in enumerate(limiters)
    ]
    assert granted == [3, 2, 0]
    assert limiters[0].look(capped).in_flight == 5
    assert limiters[2].book(capped, "lane", asks(1)).wait_seconds == 0

    limiters[0].settle(capped, [Settled("worker0-0", 0), Settled("worker1-0", 0, sent=False)])

    assert len(limiters[2].book(capped, "lane", asks(3, prefix="worker2")).delays_seconds) == 2
    for limiter in limiters:
        limiter._redis.connection_pool.disconnect()


def test_a_call_that_nobody_settles_is_forgotten_after_a_while(limiter, redis):
    capped = quota(max_in_flight=2)
    assert len(limiter.book(capped, "lane", asks(2)).delays_seconds) == 2
    lapse(redis, 50, limiter)
    assert limiter.look(capped).in_flight == 2
    assert limiter.book(capped, "lane", asks(1, prefix="next")).delays_seconds == []

    lapse(redis, 11, limiter)

    assert limiter.look(capped).in_flight == 0
    assert len(limiter.book(capped, "lane", asks(1, prefix="next")).delays_seconds) == 1


def test_a_call_that_is_renewed_keeps_its_place_in_flight(limiter, redis):
    capped = quota(max_in_flight=2)
    limiter.book(capped, "lane", asks(2))
    for _ in range(3):
        lapse(redis, 50, limiter)
        limiter.renew(capped, ["call-0", "never booked"])

    assert limiter.look(capped).in_flight == 1
    assert len(limiter.book(capped, "lane", asks(2, prefix="next")).delays_seconds) == 1


def test_times_are_kept_to_the_microsecond_and_not_for_ever(limiter, redis):
    odd = quota(rpm=7_919, tpm=1_000_003, max_in_flight=100)
    for number in range(50):
        limiter.book(odd, "lane", [Ask(str(number), 77)])
        limiter.settle(odd, [Settled(str(number), 3)])
    limiter.book(odd, "lane", [Ask("last", 77)])
    limiter.pause(odd, 0.5, "429")

    (hash_key,) = [key for key in redis.scan_iter() if redis.type(key) == "hash"]
    stored = redis.hgetall(hash_key)
    stored.pop("pause_reason")
    stored.pop("probes")
    stored.pop("probes:lane")
    meters, pauses, trust = {"tat:requests", "tat:tokens"}, {"pause", "slow"}, {"probing", "probing:lane"}
    assert set(stored) - {"lift"} == {"incarnation", "last"} | meters | pauses | trust
    assert all(re.fullmatch(r"\d{16}", value) for value in stored.values()), stored
    assert all(0 < redis.ttl(key) <= 2 * 24 * 3600 for key in redis.scan_iter())


def test_workers_on_many_threads_share_one_allowance(in_use, redis_client_url):
    in_use(SIX_HUNDRED)
    client = connect(redis_client_url)
    start = threading.Barrier(6)

    def book(worker):
        start.wait(30)
        return [
            delay
            for turn in range(20)
            for delay in Limiter(client)
            .book(SIX_HUNDRED, "lane", asks(3, prefix=f"{worker}.{turn}"))
            .delays_seconds
        ]

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        granted = sum(map(len, pool.map(book, range(6))))
    took = time.monotonic() - began
    client.connection_pool.disconnect()

    assert int(3 / SPACE) <= granted <= (3 + took) / SPACE + 1
