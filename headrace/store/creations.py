"""What requests that create have made, kept for a day, for those that are sent again (contract 5.6)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import Session, col
from sqlmodel import select as select_model
from sqlmodel.sql.expression import SelectOfScalar

from headrace.clock import now
from headrace.models import Creation
from headrace.store.tables import creations

KEPT = timedelta(hours=24)
PRUNED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what: the path, the client's idempotency key if it has one, the SHA-256 of the body."""

    api_key_id: str
    path: str
    idempotency_key: str | None
    fingerprint: str


def take_turns(session: Session, asked: Asked) -> None:
    """Nobody else asks the same until our commit. On SQLite there is one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        name = f"{asked.api_key_id}\n{asked.path}\n{asked.idempotency_key or asked.fingerprint}"
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        session.execute(select(func.pg_advisory_xact_lock(number)))


def by_key(session: Session, asked: Asked) -> Creation | None:
    """What was made under this idempotency key in the last day. One that is older is forgotten here."""
    mine = (
        Creation.api_key_id == asked.api_key_id,
        Creation.path == asked.path,
        Creation.idempotency_key == asked.idempotency_key,
    )
    found = session.exec(select_model(Creation).where(*mine)).first()
    if found is not None and found.created_at <= now() - KEPT:
        session.delete(found)
        session.flush()
        return None
    return found


def newest_alike(session: Session, asked: Asked, since: datetime) -> Creation | None:
    """What the same request of the same key made last, if that was after `since`."""
    return session.exec(_alike(asked, since).order_by(col(Creation.id).desc()).limit(1)).first()


def claim_overtaken(session: Session, asked: Asked, since: datetime) -> Creation | None:
    """What a repeat made for a first try that came after it, if that was after `since`: each for one."""
    waiting = _alike(asked, since).where(col(Creation.awaits_first_try))
    found = session.exec(waiting.order_by(col(Creation.id)).limit(1)).first()
    if found is not None:
        found.awaits_first_try = False
    return found


def _alike(asked: Asked, since: datetime) -> SelectOfScalar[Creation]:
    return select_model(Creation).where(
        Creation.api_key_id == asked.api_key_id,
        Creation.path == asked.path,
        Creation.fingerprint == asked.fingerprint,
        col(Creation.created_at) >= since,
    )


def remember(session: Session, asked: Asked, made: list[Any], *, awaits_first_try: bool = False) -> None:
    """Note the ids of what was made; and forget some of what is older than a day.

    `awaits_first_try`: a repeat made it, and its first try may still come.
    """
    session.add(
        Creation(
            api_key_id=asked.api_key_id,
            path=asked.path,
            idempotency_key=asked.idempotency_key,
            fingerprint=asked.fingerprint,
            made=made,
            awaits_first_try=awaits_first_try,
        )
    )
    session.flush()
    prune(session, PRUNED_AT_ONCE)


def prune(session: Session, limit: int) -> int:
    """Forget up to `limit` creations that are older than a day; returns how many."""
    old = select(creations.c.id).where(creations.c.created_at < now() - KEPT).order_by(creations.c.created_at)
    # Two statements: within one, PostgreSQL may run a subquery that skips locked rows more than once.
    ids = session.execute(old.limit(limit).with_for_update(skip_locked=True)).scalars().all()
    session.execute(delete(creations).where(creations.c.id.in_(ids)))
    return len(ids)
