"""Lets time pass for the limiter: it goes by the server's clock, so what it remembers is moved instead."""

from typing import Any


def lapse(client: Any, seconds: float) -> None:
    """Move every time that is stored in this Redis database `seconds` into the past."""
    microseconds = round(seconds * 1e6)
    for key in list(client.scan_iter()):
        if client.type(key) == "hash":
            times = {field: at for field, at in client.hgetall(key).items() if "reason" not in field}
            client.hset(key, mapping={field: int(at) - microseconds for field, at in times.items()})
        else:
            for member, score in client.zrange(key, 0, -1, withscores=True):
                client.zadd(key, {member: score - microseconds})
