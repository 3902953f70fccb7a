"""SQLite: an engine with a safe write-ahead log, and writers who wait without blocking others."""

import random
import sqlite3
import time
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlmodel import create_engine

from headrace.errors import ConfigurationError

try:
    import pysqlite3.dbapi2 as bundled_sqlite
except ImportError:  # no wheel for this platform
    bundled_sqlite = None

SAFE_SQLITE = (3, 51, 3)
WRITER_SECONDS = 30.0
READER_SECONDS = 5
SHORTEST_PAUSE_SECONDS = 0.001
LONGEST_PAUSE_SECONDS = 0.05
WAL_BYTES = 64 * 1024 * 1024
STATEMENTS = 256  # more than a process has; of fewer, long ones are parsed again at each use


def sqlite_engine(url: URL, pool_size: int) -> Engine:
    """An engine for the file that `url` names. Raises ConfigurationError when that cannot be safe."""
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("HEADRACE_DATABASE_URL needs a file: sqlite:////path/to/headrace.db")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=_module(),
        pool_size=pool_size,
        max_overflow=10,
        hide_parameters=True,  # prompts and answers; errors are logged
        connect_args={
            "timeout": READER_SECONDS,
            "check_same_thread": False,
            "cached_statements": STATEMENTS,
        },
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _module() -> ModuleType:
    """The bundled SQLite, else the interpreter's own if its WAL is safe with several writers."""
    if bundled_sqlite is not None:
        return cast("ModuleType", bundled_sqlite)
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return sqlite3
    raise ConfigurationError(
        f"SQLite {sqlite3.sqlite_version} can corrupt its write-ahead log (fixed in 3.51.3), and pysqlite3 "
        "is not installed: set HEADRACE_DATABASE_URL to a PostgreSQL database"
    )


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we write BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("headrace_one_statement"):
        return
    if options.get("headrace_read"):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        _take_write_lock(connection)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {READER_SECONDS * 1000}")


def _take_write_lock(connection: Connection) -> None:
    """Waits here and not in SQLite, which would stop every greenlet of a worker with the one that waits."""
    give_up = time.monotonic() + WRITER_SECONDS
    pause = SHORTEST_PAUSE_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > give_up:
                raise
        else:
            return
        time.sleep(pause * random.uniform(0.5, 1))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
