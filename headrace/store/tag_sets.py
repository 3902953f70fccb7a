"""Sets of tags, written once each."""

from collections.abc import Collection, Mapping
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from headrace.store.tables import tag_sets


def remember(session: Session, sets: Mapping[str, str]) -> None:
    """Write down sets (JSON by id) that jobs of this transaction have."""
    if not sets:
        return
    postgres = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(tag_sets) if postgres else sqlite.insert(tag_sets)
    rows: list[dict[str, Any]] = [{"id": name, "tags": tags} for name, tags in sorted(sets.items())]
    session.execute(insert.on_conflict_do_nothing(), rows)


def known(session: Session, ids: Collection[str]) -> dict[str, dict[str, str]]:
    """These sets by id."""
    found = session.execute(select(tag_sets).where(tag_sets.c.id.in_(ids)))
    return {row.id: orjson.loads(row.tags) for row in found}
