"""How a database goes about the statements of an action."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from headrace.db import Database


def plans_of(db: Database, table: str, action: Callable[[], object]) -> list[list[str]]:
    """The steps of each SELECT of the action that names the table, in the words of EXPLAIN."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if table in statement and statement.startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        action()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if db.engine.dialect.name == "sqlite" else "EXPLAIN "
    with db.read() as session:
        told = [session.connection().exec_driver_sql(explain + one, values).all() for one, values in asked]
    return [[str(row[-1]) for row in rows] for rows in told]
