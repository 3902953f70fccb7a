"""The floor of an ingest: read the file with orjson, insert the same rows with the driver, one transaction.

On PostgreSQL by COPY, which is faster than its executemany; on SQLite by executemany, with the pragmas that
headrace sets. Both into the tables and indexes of headrace, empty but for the batch.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg import sql
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import make_url
from sqlmodel import Session

from bench.inputs import ENDPOINT
from headrace.clock import now
from headrace.columns import EPOCH, MICROSECOND
from headrace.db import Database
from headrace.ids import new_id
from headrace.migrations import upgrade
from headrace.models import Batch
from headrace.store import batches, keys

PER_LINE = (
    "line",
    "custom_id",
    "endpoint",
    "lane",
    "body",
    "prompt_estimate",
    "completion_cap",
    "tokens_at_most",
    "open_answers",
)
ZEROS = (
    "attempts",
    "calls",
    "crashes",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "total_tokens",
    "priority",
)
DAY = timedelta(days=1)
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")


def plain_insert(url: str, source: Path) -> float:
    """The seconds that it takes. The database of `url` must be empty."""
    shared = _prepared(url)
    names = [*PER_LINE, *shared]
    if url.startswith("sqlite"):
        shared |= {name: (shared[name] - EPOCH) // MICROSECOND for name in ("run_at", "created_at")}
        path = make_url(url).database
        assert path is not None
        return _into_sqlite(path, names, source, tuple(shared.values()))
    return _into_postgresql(url.replace("+psycopg", ""), names, source, tuple(shared.values()))


def _prepared(url: str) -> dict[str, Any]:
    """Makes the tables and a batch. Returns what all rows of it have in common."""
    database = Database(url)
    upgrade(database.engine)
    with database.begin() as session:
        key, batch = keys.create(session, "the bench")[0].id, new_id("batch_")
        _create_batch(session, key, batch)
    database.close()
    at = now()
    start = {"state": "queued", "run_at": at, "created_at": at, "max_attempts": 5, "cancel_requested": False}
    return {"api_key_id": key, "batch_id": batch, **start, **dict.fromkeys(ZEROS, 0)}


def _create_batch(session: Session, key_id: str, batch_id: str) -> None:
    row = Batch(
        id=batch_id,
        api_key_id=key_id,
        endpoint=ENDPOINT,
        input_file_id="file-bench",
        completion_window="24h",
        expires_at=now() + DAY,
    )
    batches.create(session, row)


def _rows(source: Path, shared: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    with source.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            line = orjson.loads(raw)
            body = line["body"]
            text = orjson.dumps(body).decode()
            own = (number, line["custom_id"], line["url"], body["model"], text, 500, 500, 4000, 0)
            yield own + shared


def _into_sqlite(path: str, names: list[str], source: Path, shared: tuple[Any, ...]) -> float:
    connection = sqlite.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    places = ", ".join("?" * len(names))
    statement = f"INSERT INTO jobs ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names from above
    began = time.monotonic()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(statement, _rows(source, shared))
    connection.execute("COMMIT")
    seconds = time.monotonic() - began
    connection.close()
    return seconds


def _into_postgresql(url: str, names: list[str], source: Path, shared: tuple[Any, ...]) -> float:
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY jobs ({}) FROM STDIN").format(columns)
    with psycopg.connect(url) as connection:
        began = time.monotonic()
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in _rows(source, shared):
                copy.write_row(row)
        connection.commit()
        return time.monotonic() - began
