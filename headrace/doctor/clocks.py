"""This host's clock beside those of the database and of Redis."""

from collections.abc import Callable, Iterator
from datetime import datetime

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from headrace.clock import host
from headrace.db import Database
from headrace.doctor.findings import Finding, ok, warning

SUBJECT = "clock"
TOLERATED_SECONDS = 2.0


def look_at_clocks(database: Database, redis: "Redis | None") -> Iterator[Finding]:
    """SQLite has no clock of its own."""
    if database.engine.dialect.name == "postgresql":
        yield _beside("the database", lambda: _of_postgres(database))
    if redis is not None:
        yield _beside("Redis", lambda: _of_redis(redis))


def _beside(whose: str, ask: Callable[[], float]) -> Finding:
    before = host()
    try:
        theirs = ask()
    except (SQLAlchemyError, RedisError):
        return warning(SUBJECT, f"that of {whose} cannot be read", f"see to {whose} first")
    after = host()
    ahead = _outside(theirs, before, after)
    if abs(ahead) > TOLERATED_SECONDS:
        said = f"this host is {abs(ahead):.1f} s {'behind' if ahead > 0 else 'ahead of'} {whose}"
        return warning(SUBJECT, said, "let both hosts follow a time server (NTP)")
    return ok(SUBJECT, f"this host and {whose} agree")


def _outside(theirs: float, before: datetime, after: datetime) -> float:
    """Seconds by which their time lies after (or, negative, before) the moments between which we asked."""
    if theirs > after.timestamp():
        return theirs - after.timestamp()
    return min(0.0, theirs - before.timestamp())


def _of_postgres(database: Database) -> float:
    with database.read() as session:
        asked = session.execute(text("SELECT extract(epoch FROM clock_timestamp())"))
        return float(asked.scalar_one())


def _of_redis(redis: "Redis") -> float:
    seconds, microseconds = redis.time()
    return seconds + microseconds / 1e6
