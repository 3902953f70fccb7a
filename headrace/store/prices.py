"""Prices that calls were made at. A row never changes, so a process remembers what it has seen."""

from collections.abc import Collection

from sqlalchemy import select
from sqlmodel import Session

from headrace.clock import now
from headrace.pricing import Price
from headrace.store.inserting import dialect_of, insert_into
from headrace.store.tables import prices

_seen: dict[str, Price] = {}


def remember(session: Session, price: Price) -> None:
    """Write a price down before an attempt names it."""
    row = {
        "id": price.id,
        "provider": price.provider,
        "model": price.model,
        "source": price.source,
        "terms": price.terms,
        "first_seen_at": now(),
    }
    session.execute(insert_into(prices, dialect_of(session)).on_conflict_do_nothing(), row)


def known(session: Session, price_ids: Collection[str]) -> dict[str, Price]:
    """These prices by id."""
    missing = [price_id for price_id in price_ids if price_id not in _seen]
    if missing:
        found = session.execute(select(prices).where(prices.c.id.in_(missing)))
        _seen.update(
            (row.id, Price.of(row.provider, row.model, row.source, row.terms)) for row in found.all()
        )
    return {price_id: _seen[price_id] for price_id in price_ids if price_id in _seen}
