"""Worker processes, the lanes they drain, and the models they may ask for."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from headrace.clock import now
from headrace.columns import RowId, UtcTime
from headrace.models.clauses import added


class Lane(SQLModel, table=True):
    """A line of due jobs, one for each model that was ever asked for."""

    __tablename__ = "lanes"

    name: str = Field(primary_key=True)


class ProviderModel(SQLModel, table=True):
    """A model that a provider says it serves, as of the last time that it was asked."""

    __tablename__ = "provider_models"

    provider: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    created: int = Field(default=0, sa_type=RowId)
    owned_by: str = ""


class Worker(SQLModel, table=True):
    """A worker process; its counter moves while it lives."""

    __tablename__ = "workers"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    counter: int = 0
    started_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    seen_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    version: str = Field(default="", sa_column_kwargs=added(""))
