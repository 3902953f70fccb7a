"""Sets of tags, written once each."""

from collections.abc import Collection, Mapping
from typing import Any

import orjson
from sqlalchemy import select
from sqlmodel import Session

from headrace.store.inserting import dialect_of, insert_into
from headrace.store.tables import tag_sets


def remember(session: Session, sets: Mapping[str, str]) -> None:
    """Write down sets (JSON by id) that jobs of this transaction have."""
    if not sets:
        return
    rows: list[dict[str, Any]] = [{"id": name, "tags": tags} for name, tags in sorted(sets.items())]
    session.execute(insert_into(tag_sets, dialect_of(session)).on_conflict_do_nothing(), rows)


def known(session: Session, ids: Collection[str]) -> dict[str, dict[str, str]]:
    """These sets by id."""
    found = session.execute(select(tag_sets).where(tag_sets.c.id.in_(ids)))
    return {row.id: orjson.loads(row.tags) for row in found}
