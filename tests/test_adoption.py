"""Limits that nobody configured are taken from what the provider states."""

import pytest

from headrace.config import Provider, Quota, Route
from worker.adoption import adopted, is_unlimited

PROVIDER = Provider(name="p", base_url="http://127.0.0.1:1/v1")


def route(**limits):
    return Route(provider=PROVIDER, quota=Quota(name="q", provider="p", **limits), model="m")


def test_stated_limits_become_a_quota_of_the_lane():
    headers = {"x-ratelimit-limit-requests": "600", "x-ratelimit-limit-tokens": "60000"}

    got = adopted(route(), route(), "m", headers)

    assert got.quota == Quota(name="q/m", provider="p", rpm=600, tpm=60_000)
    assert (got.provider, got.model) == (PROVIDER, "m")


@pytest.mark.parametrize("value", ["", "0", "-5", "many", "1.5", "²", "1e3", "9" * 5000])
def test_a_senseless_limit_is_not_heeded(value):
    assert adopted(route(), route(), "m", {"x-ratelimit-limit-requests": value}) == route()


def test_nothing_stated_changes_nothing():
    assert adopted(route(), route(), "m", {"content-type": "application/json"}) == route()


def test_what_was_adopted_stands_until_another_limit_is_stated():
    both = {"x-ratelimit-limit-requests": "600", "x-ratelimit-limit-tokens": "60000"}
    first = adopted(route(), route(), "m", both)

    assert adopted(route(), first, "m", {}) == first
    assert adopted(route(), first, "m", {"x-ratelimit-limit-requests": "500"}).quota == Quota(
        name="q/m", provider="p", rpm=500, tpm=60_000
    )


@pytest.mark.parametrize("limit", ["rpm", "tpm", "rpd", "tpd", "max_in_flight"])
def test_any_configured_limit_stands(limit):
    assert not is_unlimited(route(**{limit: 5}).quota)
    assert is_unlimited(route().quota)
