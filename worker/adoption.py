"""Limits that nobody configured, adopted from what the provider's answers state (contract 5.2)."""

from collections.abc import Mapping

from headrace.config import Quota, Route

LIMIT_HEADERS = {"rpm": "x-ratelimit-limit-requests", "tpm": "x-ratelimit-limit-tokens"}
LONGEST_LIMIT_DIGITS = 12


def adopted(configured: Route, route: Route, lane: str, headers: Mapping[str, str]) -> Route:
    """`route`, which is `configured` or what was adopted so far, with the limits that `headers` state.

    An answer that leaves a limit out says nothing about it: gateways do so in errors.

    Providers count each model apart, so what is adopted is a quota of the lane's own. Only for a route
    whose quota has no limit of its own: what the operator configured stands.
    """
    stated = {field: limit for field, name in LIMIT_HEADERS.items() if (limit := _limit(headers.get(name)))}
    if not stated:
        return route
    quota = route.quota.model_copy(update={"name": f"{configured.quota.name}/{lane}", **stated})
    return route.model_copy(update={"quota": quota})


def is_unlimited(quota: Quota) -> bool:
    """Whether the operator gave no limit at all."""
    return not (quota.rpm or quota.tpm or quota.rpd or quota.tpd or quota.max_in_flight)


def _limit(value: str | None) -> int | None:
    is_number = value and value.isascii() and value.isdigit() and len(value) <= LONGEST_LIMIT_DIGITS
    return int(value) or None if value and is_number else None
