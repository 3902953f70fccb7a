"""What providers say they serve, as of the last time that they were asked."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import delete, insert, select, text
from sqlmodel import Session

from headrace.store.tables import provider_models


class Served(NamedTuple):
    """A model of a provider: since when (Unix seconds, 0 if it does not say), and whose ("" likewise)."""

    id: str
    created: int
    owned_by: str


def known(session: Session, provider: str) -> list[Served]:
    """All that this provider said, by name."""
    told = select(provider_models.c.id, provider_models.c.created, provider_models.c.owned_by)
    told = told.where(provider_models.c.provider == provider)
    return sorted(Served(*row) for row in session.execute(told))


def find(session: Session, provider: str, model: str) -> Served | None:
    """What this provider said of one model, if anything."""
    told = select(provider_models.c.id, provider_models.c.created, provider_models.c.owned_by)
    told = told.where(provider_models.c.provider == provider, provider_models.c.id == model)
    row = session.execute(told).first()
    return Served(*row) if row else None


def replace(session: Session, provider: str, told: Collection[Served]) -> None:
    """Let this, in which no name comes twice, be all that is known of the provider."""
    _take_turns(session)
    session.execute(delete(provider_models).where(provider_models.c.provider == provider))
    if told:
        rows = [{"provider": provider, **model._asdict()} for model in told]
        session.execute(insert(provider_models), rows)


def _take_turns(session: Session) -> None:
    """Two who replace the same would insert the same rows. SQLite has one writer anyway; readers go on."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE provider_models IN SHARE ROW EXCLUSIVE MODE"))
