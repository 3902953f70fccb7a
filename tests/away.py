"""A database that takes no landing for a while, whatever kind it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from headrace.db import Database


@contextmanager
def attempts_away(db: Database) -> Iterator[None]:
    """The table of attempts is missing inside the block: nothing departs and nothing lands."""
    _run(db, "ALTER TABLE attempts RENAME TO attempts_away")
    try:
        yield
    finally:
        _run(db, "ALTER TABLE attempts_away RENAME TO attempts")


def _run(db: Database, statement: str) -> None:
    with db.begin() as session:
        session.execute(text(statement))
