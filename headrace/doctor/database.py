"""The database: what it is, how far away it is, where its schema stands, and whether it can be written."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from headrace.db import Database
from headrace.doctor.findings import Finding, ok, warning, wrong
from headrace.doctor.writing import SUBJECT, look_at_writing, reason
from headrace.migrations import Standing, standing
from headrace.sqlite import SAFE_SQLITE
from headrace.versions import numbers

PINGS = 5
SLOW_SECONDS = 0.1
WANTED_POSTGRES = (14,)


def look_at_database(database: Database, min_free_bytes: int) -> Iterator[Finding]:
    """Findings until one says that it makes no sense to look further."""
    engine = database.engine
    try:
        yield _kind(database)
        yield _distance(database)
        where = standing(engine)
        yield _schema(where)
        if where is not Standing.ABSENT:
            yield from look_at_writing(database, min_free_bytes)
    except SQLAlchemyError as error:
        yield _away(engine, reason(error))


def absent(url: str) -> Finding | None:
    """That there is no SQLite database yet: connecting would make it, and its folder."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # who connects says so
        return None
    file = parsed.database
    if parsed.get_backend_name() != "sqlite" or file in (None, "", ":memory:") or Path(file or "").exists():
        return None
    return wrong(SUBJECT, f"there is no {file} yet", "run `headrace up`, or only `headrace migrate`")


def _place(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return f"SQLite in {engine.url.database}"
    if engine.url.host:
        return f"PostgreSQL at {engine.url.host}:{engine.url.port or 5432}"
    hosts = engine.url.query.get("host", "the local socket")
    return f"PostgreSQL at {hosts if isinstance(hosts, str) else ', '.join(hosts)}"


def _away(engine: Engine, said: str) -> Finding:
    """A standby, or a primary that was made read-only, refuses us when we connect."""
    if "read-only" in said or "standby" in said:
        what = f"{_place(engine)} takes no writes: {said}"
        return wrong(SUBJECT, what, "point HEADRACE_DATABASE_URL at the primary")
    what = f"{_place(engine)} does not answer: {said}"
    return wrong(SUBJECT, what, "start it, or correct HEADRACE_DATABASE_URL")


def _kind(database: Database) -> Finding:
    ask = (
        "sqlite_version()"
        if database.engine.dialect.name == "sqlite"
        else "current_setting('server_version')"
    )
    with database.read() as session:
        version = str(session.execute(text(f"SELECT {ask}")).scalar_one()).split()[0]
    said = f"{_place(database.engine)}, version {version}"
    if database.engine.dialect.name == "sqlite" and numbers(version) < SAFE_SQLITE:
        return wrong(
            SUBJECT, f"{said}, can corrupt its write-ahead log", "install pysqlite3, or use PostgreSQL"
        )
    if database.engine.dialect.name != "sqlite" and numbers(version) < WANTED_POSTGRES:
        return warning(SUBJECT, f"{said}, is out of support", "upgrade PostgreSQL")
    return ok(SUBJECT, said)


def _distance(database: Database) -> Finding:
    took = []
    with database.read() as session:
        for _ in range(PINGS):
            began = time.monotonic()
            session.execute(text("SELECT 1"))
            took.append(time.monotonic() - began)
    seconds = statistics.median(took)
    said = f"answers in {seconds * 1000:.1f} ms"
    if seconds > SLOW_SECONDS:
        return warning(SUBJECT, said, "let workers and database run near each other")
    return ok(SUBJECT, said)


def _schema(where: Standing) -> Finding:
    match where:
        case Standing.ABSENT:
            return wrong(SUBJECT, "it has no tables of headrace", "run `headrace migrate`")
        case Standing.OLDER:
            return wrong(SUBJECT, "its schema is older than this version", "run `headrace migrate`")
        case Standing.NEWER:
            what = "its schema is newer than this version, which works as long as it is one release older"
            return warning(SUBJECT, what, "replace the processes here by the newer version too")
        case Standing.CURRENT:
            return ok(SUBJECT, "its schema is that of this version")
