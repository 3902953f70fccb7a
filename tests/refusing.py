"""A database that refuses certain rows for ever, by a trigger."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from headrace.db import Database

FUNCTION = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"


@contextmanager
def refusing(db: Database, verb: str, table: str, condition: str) -> Iterator[None]:
    """Inside the block an INSERT or UPDATE (`verb`) of a row fails for which `condition` on NEW holds."""
    before = f"CREATE TRIGGER picky BEFORE {verb} ON {table}"
    if db.engine.dialect.name == "sqlite":
        made = [f"{before} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'no'); END"]
        undone = ["DROP TRIGGER picky"]
    else:
        body = f"BEGIN IF {condition} THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END"
        made = [f"{FUNCTION} $$ {body} $$", f"{before} FOR EACH ROW EXECUTE FUNCTION refuse()"]
        undone = [f"DROP TRIGGER picky ON {table}", "DROP FUNCTION refuse"]
    _run(db, made)
    try:
        yield
    finally:
        _run(db, undone)


def _run(db: Database, statements: list[str]) -> None:
    with db.begin() as session:
        for statement in statements:
            session.execute(text(statement))
