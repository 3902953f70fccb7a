"""Many rows of a table at once, by each driver's own means: no statement is compiled, no row is a dict."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlmodel import Session

from headrace.store.binding import Bind, as_it_is, binder

Rows = Iterable[tuple[Any, ...]]


def insert_many(
    session: Session,
    table: Table,
    names: Sequence[str],
    rows: Rows,
    shared: Mapping[str, Any],
) -> None:
    """Insert rows with a value for each of `names`, as the driver takes it, and the `shared` values in all.

    Columns that are named nowhere get their default.
    """
    connection = session.connection()
    constant = {**_defaults(table, frozenset((*names, *shared))), **shared}
    bound = tuple(_bind(connection.dialect, table, name)(value) for name, value in constant.items())
    insert = _copy if connection.dialect.name == "postgresql" else _execute
    insert(connection, table, [*names, *constant], rows, bound)


@cache
def _defaults(table: Table, named: frozenset[str]) -> dict[str, Any]:
    """Those that SQLAlchemy, and not the database, would fill in."""
    unnamed = [
        column for column in table.columns if column.name not in named and column.server_default is None
    ]
    return {
        column.name: column.default.arg
        for column in unnamed
        if isinstance(column.default, ScalarElementColumnDefault)
    }


@cache
def _bind(dialect: Dialect, table: Table, name: str) -> Bind:
    return binder(dialect, table, name) or as_it_is


def _execute(
    connection: Connection, table: Table, names: Sequence[str], rows: Rows, bound: tuple[Any, ...]
) -> None:
    many = [row + bound for row in rows]
    if many:
        places = ", ".join("?" * len(names))
        # S608: all names are those of our own tables
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})"  # noqa: S608
        connection.exec_driver_sql(statement, many)


def _copy(
    connection: Connection, table: Table, names: Sequence[str], rows: Rows, bound: tuple[Any, ...]
) -> None:
    """COPY is faster than as many INSERTs. Its errors are those of any statement.

    What all rows have in common is put into COPY's text format once; the driver would do that for each.
    """
    driver: Any = connection.connection.driver_connection
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    ending = "".join(f"\t{_field(value)}" for value in bound) + "\n"
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write("\t".join(map(_field, row)) + ending)
    except psycopg.Error as error:
        raise DBAPIError.instance(
            "COPY", None, error, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


def _field(value: Any) -> str:
    """A value in COPY's text format."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("\t", "\\t")
        return escaped.replace("\n", "\\n").replace("\r", "\\r")
    return "\\N" if value is None else str(value)
