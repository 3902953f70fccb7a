"""Bookings corrected in groups, one trip to Redis a quota."""

import logging
from collections import defaultdict
from collections.abc import Iterable

from headrace.config import Quota
from headrace.errors import Unavailable
from headrace.limits import Limiter, Settled

log = logging.getLogger(__name__)


def settle_all(limiter: Limiter, ended: Iterable[tuple[Quota, Settled]]) -> None:
    """Settle each call that ended; while Redis is away, bookings stay as estimated and decay."""
    quotas: dict[str, Quota] = {}
    by_quota: dict[str, list[Settled]] = defaultdict(list)
    for quota, settled in ended:
        quotas[quota.name] = quota
        by_quota[quota.name].append(settled)
    for name, group in by_quota.items():
        try:
            limiter.settle(quotas[name], group)
        except Unavailable as error:
            log.warning("%s; %d bookings stay as estimated", error, len(group))
