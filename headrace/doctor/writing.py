"""Whether the database takes a row: one is written and rolled back, without a long wait for anybody."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from headrace.db import Database
from headrace.disk import free_bytes
from headrace.doctor.findings import Finding, ok, wrong
from headrace.ids import new_id
from headrace.settings import MEBIBYTE
from headrace.store import tables

SUBJECT = "database"
SEE = "see to the rights and the space of its folder, and to who holds its lock"
IN_RECOVERY = text("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool")
BOUNDS = ("SET LOCAL lock_timeout = '3s'", "SET LOCAL statement_timeout = '10s'")
LACKING = text(
    "SELECT named, wanted FROM unnest(CAST(:tables AS text[])) named, unnest(CAST(:rights AS text[])) wanted "
    "WHERE NOT has_table_privilege(to_regclass(named), wanted) ORDER BY 1, 2"
)
UNNUMBERED = text(
    "SELECT named FROM unnest(CAST(:tables AS text[])) named "
    "WHERE NOT has_sequence_privilege(pg_get_serial_sequence(named, 'id'), 'USAGE') ORDER BY 1"
)
NUMBERED = ["jobs", "creations"]
RIGHTS = ["SELECT", "INSERT", "UPDATE", "DELETE"]


def look_at_writing(database: Database, min_free_bytes: int) -> Iterator[Finding]:
    """Whether it can be written; for a database whose tables are there."""
    engine = database.engine
    is_sqlite = engine.dialect.name == "sqlite"
    try:
        # Not `begin`: on SQLite that waits half a minute for the lock, and this as long as a reader does.
        with database.read() as session:
            refused = None if is_sqlite else _refusal(session)
            if refused is None:
                session.execute(insert(tables.lanes).values(name=new_id("doctor_")))
            session.rollback()
    except SQLAlchemyError as error:
        yield wrong(SUBJECT, f"it cannot be written: {reason(error)}", SEE)
        return
    yield refused or ok(SUBJECT, "it can be written")
    if is_sqlite:
        yield from _room(Path(engine.url.database or "").absolute().parent, min_free_bytes)


def reason(error: SQLAlchemyError) -> str:
    """The driver's own words, in one line."""
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return " ".join(said.split())


def _refusal(session: Session) -> Finding | None:
    """What PostgreSQL would refuse; from now on, nothing waits long in this transaction."""
    for bound in BOUNDS:
        session.execute(text(bound))
    if session.execute(IN_RECOVERY).scalar_one():
        what = "it cannot be written: it is a standby, or read-only"
        return wrong(SUBJECT, what, "point HEADRACE_DATABASE_URL at the primary")
    named = [table.name for table in tables.lanes.metadata.sorted_tables]
    rows = session.execute(LACKING, {"tables": named, "rights": RIGHTS}).all()
    lacking = [f"{row.wanted} on {row.named}" for row in rows]
    unnumbered = session.execute(UNNUMBERED, {"tables": NUMBERED}).scalars()
    lacking += [f"USAGE on the sequence of {table}" for table in unnumbered]
    if not lacking:
        return None
    advice = (
        "grant it SELECT, INSERT, UPDATE and DELETE on all tables, and USAGE on all sequences, of headrace"
    )
    return wrong(SUBJECT, f"its user lacks {', '.join(lacking)}", advice)


def _room(folder: Path, wanted: int) -> Iterator[Finding]:
    free = free_bytes(folder)
    if free < wanted:
        said = f"{free / MEBIBYTE:,.0f} MiB are free in {folder}, where the database lies"
        what = f"{said}: fewer than the {wanted / MEBIBYTE:,.0f} MiB of HEADRACE_MIN_FREE_BYTES"
        yield wrong(SUBJECT, what, "make room: a full disk stops all work")
