"""Inserts that bear a row which is there already: each database has its own."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session


def insert_into(table: Table, dialect: str) -> Any:
    """An INSERT with `on_conflict_do_nothing` and `on_conflict_do_update`, for `postgresql` or `sqlite`."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def dialect_of(session: Session) -> str:
    """The name of the database's dialect."""
    return session.get_bind().dialect.name
