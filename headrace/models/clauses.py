"""What the tables' constraints, defaults and indexes are made of."""

from typing import Any

from sqlalchemy import text


def one_of(column: str, values: Any) -> str:
    """The condition that a column has one of these values."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in sorted(values))})"


def added(default: Any) -> dict[str, Any]:
    """For a column that older processes do not know: the database fills it."""
    return {"server_default": default}


def where(condition: str) -> dict[str, Any]:
    """For an index of the rows that fulfil a condition."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
