"""How values of our columns are given to a driver that is asked past SQLAlchemy."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect, Table

Bind = Callable[[Any], Any]


def binder(dialect: Dialect, table: Table, name: str) -> Bind | None:
    """Makes of a column's value what the driver takes; None where it takes the value as it is."""
    return table.columns[name].type.dialect_impl(dialect).bind_processor(dialect)


def as_it_is(value: Any) -> Any:
    """The same value."""
    return value
