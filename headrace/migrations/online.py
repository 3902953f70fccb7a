"""Changes of a schema that is in use: each by itself, without holding up the processes that use it.

On SQLite a migration is one transaction, and a writer as others are. On PostgreSQL a change that waits for a
table has everybody behind it wait too: so it gives up soon, and tries again. What was done stays done, so
each change must bear being made again.
"""

import random
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import OperationalError

from headrace.errors import Unavailable
from headrace.postgres import is_busy

LOCK_SECONDS = 2.0  # so long may others wait behind us
INDEX_LOCK_SECONDS = 60.0  # nobody waits behind an index that is made concurrently
PATIENCE_SECONDS = 120.0
INDEX_PATIENCE_SECONDS = 600.0
LONGEST_PAUSE_SECONDS = 3.0


def add_column(table: str, column: "sa.Column[Any]") -> None:
    """Add a column, whose default is the server's."""
    if _is_postgresql():
        _patiently(lambda: op.add_column(table, column, if_not_exists=True), LOCK_SECONDS, PATIENCE_SECONDS)
    else:
        op.add_column(table, column)


def create_table(name: str, *parts: Any) -> None:
    """Create a table; PostgreSQL locks those that its foreign keys name."""
    if _is_postgresql():
        _patiently(lambda: op.create_table(name, *parts, if_not_exists=True), LOCK_SECONDS, PATIENCE_SECONDS)
    else:
        op.create_table(name, *parts)


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """Create an index while the table is written."""
    if not _is_postgresql():
        op.create_index(name, table, columns, **options)
        return

    def change() -> None:
        _drop_if_broken(name)
        op.create_index(name, table, columns, **options, if_not_exists=True, postgresql_concurrently=True)

    _patiently(change, INDEX_LOCK_SECONDS, INDEX_PATIENCE_SECONDS)


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _drop_if_broken(name: str) -> None:
    """Interrupted, a concurrent CREATE INDEX leaves an index that nobody uses and everybody keeps."""
    broken = sa.text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if op.get_bind().execute(broken, {"name": name}).first():
        op.drop_index(name, postgresql_concurrently=True, if_exists=True)


def _patiently(change: Callable[[], object], lock_seconds: float, patience_seconds: float) -> None:
    give_up = time.monotonic() + patience_seconds
    with op.get_context().autocommit_block():
        op.execute(f"SET lock_timeout = {round(1000 * lock_seconds)}")
        try:
            while not _was_made(change, is_last=time.monotonic() > give_up):
                time.sleep(random.uniform(0.1, 1) * LONGEST_PAUSE_SECONDS)
        finally:
            op.execute("RESET lock_timeout")


def _was_made(change: Callable[[], object], *, is_last: bool) -> bool:
    try:
        change()
    except OperationalError as error:
        if not is_busy(error):
            raise
        if is_last:
            raise Unavailable(
                f"the schema could not be changed, for others held a table all the time ({error.orig}): "
                "end their long transactions, and run `headrace migrate` again: it goes on from here"
            ) from error
        return False
    return True
