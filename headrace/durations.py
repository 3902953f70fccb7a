"""How long requests take at the rate that quotas allow."""

from collections.abc import Iterable
from typing import NamedTuple

from headrace.config import Quota
from headrace.limits import AIM

MINUTE_SECONDS = 60.0
DAY_SECONDS = 24 * 60 * MINUTE_SECONDS


class Load(NamedTuple):
    """What is to go through a quota; `call_seconds` is how long its calls take, all together and None if
    that is not known."""

    quota: Quota
    requests: int
    tokens: int
    call_seconds: float | None


class Duration(NamedTuple):
    """Seconds, and what makes it so many: `rpm`, `tpm`, `rpd`, `tpd` or `max_in_flight` of a quota."""

    seconds: float
    limit: str
    quota: str


def duration(loads: Iterable[Load]) -> Duration | None:
    """Until the last quota is through, since all go at once; None if one has no limit that would tell."""
    slowest: Duration | None = None
    for load in loads:
        own = _through(load)
        if own is None:
            return None
        slowest = own if slowest is None else max(slowest, own)
    return slowest


def _through(load: Load) -> Duration | None:
    quota = load.quota
    limits = (
        ("rpm", quota.rpm, load.requests, MINUTE_SECONDS),
        ("tpm", quota.tpm, load.tokens, MINUTE_SECONDS),
        ("rpd", quota.rpd, load.requests, DAY_SECONDS),
        ("tpd", quota.tpd, load.tokens, DAY_SECONDS),
    )
    known = [
        Duration(much * window / (limit * AIM), name, quota.name)
        for name, limit, much, window in limits
        if limit
    ]
    if quota.max_in_flight and load.call_seconds is not None:
        known.append(Duration(load.call_seconds / quota.max_in_flight, "max_in_flight", quota.name))
    return max(known, default=None)
