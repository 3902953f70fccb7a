"""What is wrong with a Redis that shall carry hints and limits, found by writing to it."""

from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)

from headrace.ids import new_id

PROBE_MILLISECONDS = 1000
BEAT_KEY = "headrace:beat"  # when beat last asked for a sweep; expires
ADVICE: dict[type[RedisError], str] = {
    ReadOnlyError: "is a read-only replica: point HEADRACE_REDIS_URL at the primary, or promote this one",
    OutOfMemoryError: "is full and refuses writes: raise its maxmemory, or remove what others keep in it",
    AuthenticationError: "refuses the password: correct HEADRACE_REDIS_URL",
    AuthorizationError: "refuses the password: correct HEADRACE_REDIS_URL",
    NoPermissionError: "does not let this user write: correct its ACL, or HEADRACE_REDIS_URL",
    BusyLoadingError: "is still loading its data: it will answer soon",
}


def fault_of(redis: "Redis") -> str | None:
    """What keeps this Redis from being written, with what to do about it; None when all is well."""
    try:
        redis.set(new_id("headrace:probe:"), "", px=PROBE_MILLISECONDS)
    except RedisError as error:
        return _said(error)
    return None


def _said(error: RedisError) -> str:
    for kind, advice in ADVICE.items():
        if isinstance(error, kind):
            return advice
    if str(error).startswith("MISCONF"):
        return "refuses writes since it cannot save to its disk: make room there, or see its log"
    return f"does not answer ({type(error).__name__}): start it, or correct HEADRACE_REDIS_URL"
