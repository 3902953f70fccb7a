"""Redis or Valkey, which carries hints and counts the limits."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from headrace.broker import BEAT_KEY, fault_of
from headrace.doctor.findings import Finding, ok, warning, wrong

SUBJECT = "broker"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NEARLY_FULL = 0.8


def look_at_broker(redis: "Redis", url: str) -> Iterator[Finding]:
    """Whether it can be written, and how it is set."""
    place = _place(url)
    if fault := fault_of(redis):
        yield wrong(SUBJECT, *_parted(f"{place} {fault}"))
    try:
        info = _info(redis)
    except RedisError as error:
        if not fault:
            advice = "let its user run INFO, or look at maxmemory-policy and role yourself"
            yield warning(SUBJECT, f"{place} does not say how it is set ({type(error).__name__})", advice)
        return
    yield _kind(place, info)
    yield _memory(info)
    yield from _open_to_all(url)


def look_at_beat(redis: "Redis") -> Iterator[Finding]:
    """The sweep by beat. Workers sweep too, so nothing stands still without it."""
    try:
        beats = redis.exists(BEAT_KEY)
    except RedisError:
        yield warning("beat", "cannot be seen without the broker", "see to the broker first")
        return
    if beats:
        yield ok("beat", "sweeps are sent")
    else:
        what = "no sign of it; the workers sweep by themselves meanwhile"
        yield warning("beat", what, "start `celery -A worker beat`")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or parts.path}:{parts.port or 6379}"


def _parted(said: str) -> tuple[str, str]:
    what, _, advice = said.rpartition(": ")
    return what, advice


def _info(redis: Redis) -> dict[str, Any]:
    sections = ("server", "replication", "memory", "persistence")
    return {name: value for section in sections for name, value in redis.info(section).items()}


def _kind(place: str, info: dict[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "?")
    kept = (
        "keeps its data"
        if info.get("aof_enabled")
        else "keeps nothing for sure, which is fine: the tables do"
    )
    said = f"{name} {version} at {place}, {info.get('role', 'role unknown')}; {kept}"
    if info.get("role") == "slave":
        return wrong(SUBJECT, f"{said}: a replica", "point HEADRACE_REDIS_URL at the primary")
    return ok(SUBJECT, said)


def _memory(info: dict[str, Any]) -> Finding:
    most, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    policy = info.get("maxmemory_policy", "noeviction")
    said = f"uses {used / 2**20:.1f} MiB of {f'{most / 2**20:.1f} MiB' if most else 'what there is'}"
    if most and policy != "noeviction":
        what = f"{said}; under {policy} it may forget the limits when it is full"
        return wrong(SUBJECT, what, "set maxmemory-policy noeviction")
    if most and used > NEARLY_FULL * most:
        return warning(SUBJECT, said, "raise maxmemory: when it is full, no call is made")
    return ok(SUBJECT, said)


def _open_to_all(url: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme != "unix" and parts.hostname not in LOOPBACK and not parts.password:
        what = "it is reached over a network and asks for no password"
        yield warning(SUBJECT, what, "set requirepass, and the password in HEADRACE_REDIS_URL")
