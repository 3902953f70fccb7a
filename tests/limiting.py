"""Fixtures: a limiter on an empty Valkey, and quotas that have been in use for long.

A test file asks for them with `pytest_plugins = ["tests.limiting"]`.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from redis import Redis

from headrace.config import Quota
from headrace.limits import Ask, Limiter, Settled, connect
from tests.lapse import lapse

DAY_SECONDS = 24 * 3600

InUse: TypeAlias = Callable[..., Quota]


@pytest.fixture
def redis(redis_client_url: str) -> "Iterator[Redis]":
    client = connect(redis_client_url)
    yield client
    client.connection_pool.disconnect()


@pytest.fixture
def limiter(redis: "Redis") -> Limiter:
    return Limiter(redis)


@pytest.fixture
def in_use(limiter: Limiter, redis: "Redis") -> InUse:
    """Gives back a quota past its first minute, whose lanes were answered and which owes nothing."""

    def use(quota: Quota, *lanes: str) -> Quota:
        for lane in lanes or ("lane",):
            limiter.book(quota, lane, [Ask(f"first of {lane}", 1)])
            limiter.settle(quota, [Settled(f"first of {lane}", 0, lane=lane, accepted=True)])
            lapse(redis, DAY_SECONDS, limiter)
        return quota

    return use
