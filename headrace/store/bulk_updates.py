"""Many rows changed at once by each driver's own means: SQLAlchemy works longer on each than the database."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Dialect, Table
from sqlmodel import Session

from headrace.store.binding import Bind, as_it_is, binder


def update_many(
    session: Session,
    table: Table,
    names: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    plus: tuple[str, ...] = (),
    shared: Mapping[str, Any],
) -> None:
    """Change the rows of a table by their `id`, the first value of each of `rows`.

    Values for `names` follow, then what is to be added to each of `plus`; all get the `shared` values.
    """
    if not rows:
        return
    connection = session.connection()
    plan = _plan(connection.dialect, table, names, plus, tuple(shared))
    constant = [bind(value) for bind, value in zip(plan.shared, shared.values(), strict=True)]
    for place, bind in plan.own:
        rows = [(*row[:place], bind(row[place]), *row[place + 1 :]) for row in rows]
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(plan.statement, (*constant, *map(list, zip(*rows, strict=True))))
    else:
        connection.exec_driver_sql(plan.statement, [(*constant, *row[1:], row[0]) for row in rows])


class _Plan(NamedTuple):
    """A statement, and what becomes of the shared values and of those at some places of a row."""

    statement: str
    shared: list[Bind]
    own: list[tuple[int, Bind]]


@cache
def _plan(
    dialect: Dialect, table: Table, names: tuple[str, ...], plus: tuple[str, ...], shared: tuple[str, ...]
) -> _Plan:
    own = ("id", *names, *plus)
    binds = {name: binder(dialect, table, name) for name in (*own, *shared)}
    make = _from_arrays if dialect.name == "postgresql" else _one_by_one
    return _Plan(
        make(dialect, table, names, plus, shared),
        [binds[name] or as_it_is for name in shared],
        [(place, bind) for place, name in enumerate(own) if (bind := binds[name])],
    )


def _one_by_one(
    _dialect: Dialect, table: Table, names: Sequence[str], plus: Sequence[str], shared: Sequence[str]
) -> str:
    changes = [f"{name} = ?" for name in (*shared, *names)] + [f"{name} = {name} + ?" for name in plus]
    return f"UPDATE {table.name} SET {', '.join(changes)} WHERE id = ?"  # noqa: S608 - names of our own


def _from_arrays(
    dialect: Dialect, table: Table, names: Sequence[str], plus: Sequence[str], shared: Sequence[str]
) -> str:
    """One statement, whatever the number of rows: each column's values are an array.

    A binary one: of a text array the driver would escape each value, and an answer is long.
    """
    own = ("id", *names, *plus)
    arrays = ", ".join(f"%b::{table.columns[name].type.compile(dialect)}[]" for name in own)
    changes = [f"{name} = %s" for name in shared] + [f"{name} = new.{name}" for name in names]
    changes += [f"{name} = {table.name}.{name} + new.{name}" for name in plus]
    source = f"unnest({arrays}) AS new ({', '.join(own)})"
    return f"UPDATE {table.name} SET {', '.join(changes)} FROM {source} WHERE {table.name}.id = new.id"  # noqa: S608 - names of our own
