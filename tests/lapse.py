"""Lets time pass for the limiter: it goes by the server's clock, so what it remembers is moved instead."""

from typing import Any

from headrace.limits import Known, Limiter

WORDS = ("pause_reason", "probes")


def lapse(client: Any, seconds: float, *limiters: Limiter) -> None:
    """Move every time that is stored in this Redis database `seconds` into the past.

    And every one that these limiters remember, where it matters that they know the quota.
    """
    microseconds = round(seconds * 1e6)
    for key in list(client.scan_iter()):
        if client.type(key) == "hash":
            times = {field: at for field, at in client.hgetall(key).items() if not field.startswith(WORDS)}
            client.hset(key, mapping={field: int(at) - microseconds for field, at in times.items()})
        else:
            for member, score in client.zrange(key, 0, -1, withscores=True):
                client.zadd(key, {member: score - microseconds})
    for limiter in limiters:
        limiter._known = {key: _moved(known, microseconds) for key, known in limiter._known.items()}


def _moved(known: Known, microseconds: int) -> Known:
    tats = {meter: str(int(tat) - microseconds) for meter, tat in known.tats.items()}
    return Known(str(int(known.incarnation) - microseconds), tats)
