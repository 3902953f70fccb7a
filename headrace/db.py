"""The engine and the unit of work: one transaction, committed at its edge."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlmodel import Session, create_engine

from headrace.errors import ConfigurationError

try:
    import pysqlite3.dbapi2 as bundled_sqlite
except ImportError:  # no wheel for this platform
    bundled_sqlite = None

SAFE_SQLITE = (3, 51, 3)
BUSY_TIMEOUT_SECONDS = 30
POSTGRES_OPTIONS = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "prepare_threshold": 3,
}


class Database:
    """One engine, two ways in: `begin` to write, `read` to look."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = _engine(url, pool_size)
        self._readers = self.engine.execution_options(headrace_read=True)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A writing unit of work: commits at the end, rolls back on an exception.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so it never fails half-way for a lock.
        """
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A unit of work that only reads; on SQLite it waits for nobody."""
        with Session(self._readers, expire_on_commit=False) as session:
            yield session

    def ping(self) -> None:
        """Raises an SQLAlchemy error unless the database answers."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _engine(url: str, pool_size: int) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("HEADRACE_DATABASE_URL is no database URL") from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(url, parsed.database, pool_size)
    if parsed.get_backend_name() == "postgresql":
        url = parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return create_engine(
            url,
            pool_size=pool_size,
            max_overflow=10,
            pool_pre_ping=True,
            connect_args=POSTGRES_OPTIONS,
        )
    raise ConfigurationError("HEADRACE_DATABASE_URL must start with sqlite:/// or postgresql://")


def _sqlite(url: str, path: str | None, pool_size: int) -> Engine:
    if not path or path == ":memory:":
        raise ConfigurationError("HEADRACE_DATABASE_URL needs a file: sqlite:////path/to/headrace.db")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=_sqlite_module(),
        pool_size=pool_size,
        max_overflow=10,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _sqlite_module() -> ModuleType:
    """The bundled SQLite, else the interpreter's own if its WAL is safe with several writers."""
    if bundled_sqlite is not None:
        return cast("ModuleType", bundled_sqlite)
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return sqlite3
    raise ConfigurationError(
        f"SQLite {sqlite3.sqlite_version} can corrupt its write-ahead log (fixed in 3.51.3), and pysqlite3 "
        "is not installed: set HEADRACE_DATABASE_URL to a PostgreSQL database"
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we write BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("headrace_read", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
