"""Who may ask, and what requests that create have made."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, false
from sqlmodel import Field, SQLModel

from headrace.clock import now
from headrace.columns import Document, RowId, UtcTime
from headrace.models.clauses import added


class ApiKey(SQLModel, table=True):
    """A client's key: 256 random bits, of which we keep the SHA-256 and a prefix to show.

    An admin key sees what all keys use and cost.
    """

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    name: str
    prefix: str
    sha256: str = Field(unique=True)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    is_admin: bool = Field(default=False, sa_column_kwargs=added(false()))


class Creation(SQLModel, table=True):
    """What a request that creates has made, for the case that it is sent again."""

    __tablename__ = "creations"

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    api_key_id: str = Field(foreign_key="api_keys.id")
    path: str
    idempotency_key: str | None = None
    fingerprint: str
    made: list[Any] = Field(sa_type=Document)
    awaits_first_try: bool = False
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)

    __table_args__ = (
        Index("creations_by_idempotency_key", "api_key_id", "path", "idempotency_key", unique=True),
        Index("creations_alike", "api_key_id", "path", "fingerprint", "id"),
        Index("creations_old", "created_at"),
    )
