"""A Redis that forgot everything: what was given is not given again, and calls in flight are still there."""

import pytest

from headrace.limits import Ask, Limiter, Settled, connect
from tests import servers
from tests.lapse import lapse
from tests.quotas import NOW, SIX_HUNDRED, SPACE, about, asks, quota

pytest_plugins = ["tests.limiting"]

HORIZON = 2.0


@pytest.fixture
def another(redis_client_url):
    client = connect(redis_client_url)
    yield Limiter(client)
    client.connection_pool.disconnect()


def test_a_first_start_begins_at_full_speed_and_pays_its_burst_back_a_moment_later(limiter):
    first = limiter.book(SIX_HUNDRED, "lane", asks(1))
    limiter.settle(SIX_HUNDRED, [Settled("call-0", 0, lane="lane", accepted=True)])
    then = limiter.book(SIX_HUNDRED, "lane", asks(100))

    delays = first.delays_seconds + then.delays_seconds
    assert len([delay for delay in delays if delay <= 0.75]) == pytest.approx(1.75 / SPACE, abs=3)
    assert [delay for delay in delays if 0.75 < delay < HORIZON - 0.5] == []
    assert then.delays_seconds[-1] > HORIZON - 0.5 or then.wait_seconds == about(HORIZON + SPACE)


def test_a_first_start_takes_little_from_the_burst_of_a_day(limiter):
    by_day = quota(rpd=8_640)  # one in ten seconds
    limiter.book(by_day, "lane", asks(1))
    limiter.settle(by_day, [Settled("call-0", 0, lane="lane", accepted=True)])

    assert limiter.book(by_day, "lane", asks(100)).delays_seconds == [NOW] * 100


@pytest.mark.parametrize("first", ["book", "settle"])
def test_who_knew_a_quota_gives_no_slot_beside_those_that_are_booked(in_use, limiter, redis, first):
    in_use(SIX_HUNDRED)
    booked = limiter.book(SIX_HUNDRED, "lane", asks(100)).delays_seconds
    assert max(booked) == about(HORIZON)

    redis.flushdb()
    if first == "settle":
        limiter.settle(SIX_HUNDRED, [Settled("call-0", 0)])

    booking = limiter.book(SIX_HUNDRED, "lane", asks(1))
    assert booking.delays_seconds == []
    assert booking.wait_seconds == about(HORIZON + SPACE)
    lapse(redis, 1, limiter)
    assert limiter.book(SIX_HUNDRED, "lane", asks(1)).delays_seconds == [about(HORIZON - 1)], "only once"


def test_a_large_debt_is_remembered_but_not_beyond_a_minute(in_use, limiter, redis):
    by_tokens = in_use(quota(tpm=6_000))
    limiter.book(by_tokens, "lane", [Ask("large", 970)])
    redis.flushdb()
    assert limiter.book(by_tokens, "lane", asks(1)).wait_seconds == about(9)

    limiter.settle(by_tokens, [Settled("large", 97_000)])
    redis.flushdb()
    assert limiter.book(by_tokens, "lane", asks(1)).wait_seconds == about(59)


def test_what_one_knew_counts_also_when_a_new_one_came_first(in_use, limiter, another, redis):
    by_tokens = in_use(quota(tpm=6_000))
    limiter.book(by_tokens, "lane", [Ask("large", 970)])
    redis.flushdb()
    assert another.book(by_tokens, "lane", [Ask("small", 1)]).delays_seconds == [NOW]

    limiter.settle(by_tokens, [Settled("unknown", 0)])

    assert another.book(by_tokens, "lane", [Ask("next", 1)]).wait_seconds == about(9)


def test_a_new_one_asks_nothing_of_a_quota_that_was_not_lost(in_use, another):
    in_use(SIX_HUNDRED)

    assert another.book(SIX_HUNDRED, "lane", asks(9)).delays_seconds == [NOW] * 9


def test_calls_in_flight_are_put_back_before_others_take_their_places(in_use, limiter, redis):
    capped = in_use(quota(max_in_flight=3))
    before = limiter.book(capped, "lane", asks(3))
    redis.flushdb()

    limiter.settle(capped, [Settled("call-2", 0)])
    after = limiter.book(capped, "lane", asks(3, prefix="next"), before.incarnation)
    assert (after.delays_seconds, after.wait_seconds) == ([], 0)
    assert after.incarnation != before.incarnation
    limiter.renew(capped, ["call-0", "call-1"], before.incarnation)

    assert limiter.look(capped).in_flight == 2
    again = limiter.book(capped, "lane", asks(3, prefix="next"), after.incarnation)
    assert len(again.delays_seconds) == 1
    limiter.renew(capped, ["call-2"], after.incarnation)
    assert limiter.look(capped).in_flight == 3, "what was settled meanwhile does not come back"


def test_calls_in_flight_are_put_back_also_where_nobody_books(in_use, limiter, redis):
    capped = in_use(quota(max_in_flight=3))
    booking = limiter.book(capped, "lane", asks(3))
    redis.flushdb()

    limiter.renew(capped, ["call-0", "call-1", "call-2"], booking.incarnation)

    assert limiter.look(capped).in_flight == 3


def test_a_crashed_redis_gives_nothing_a_second_time():
    with servers.valkey() as server:
        client = connect(server.url)
        limiter = Limiter(client)
        limiter.book(SIX_HUNDRED, "lane", asks(1))
        limiter.settle(SIX_HUNDRED, [Settled("call-0", 0, lane="lane", accepted=True)])
        assert len(limiter.book(SIX_HUNDRED, "lane", asks(100)).delays_seconds) > 1 / SPACE

        server.kill()
        server.start()

        booking = limiter.book(SIX_HUNDRED, "lane", asks(3))
        assert booking.delays_seconds == []
        assert booking.wait_seconds == about(HORIZON + SPACE)
        client.connection_pool.disconnect()
