"""What calls cost: prices, sums of the ledger, and how much may be spent. The ledger itself is `attempts`."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text
from sqlmodel import Field, SQLModel

from headrace.clock import now
from headrace.columns import RowId, UtcTime
from headrace.models.clauses import one_of
from headrace.states import Period


class PriceRow(SQLModel, table=True):
    """A price that calls were made at (`headrace.pricing.Price`). Another price has another id."""

    __tablename__ = "prices"

    id: str = Field(primary_key=True)
    provider: str
    model: str
    source: str
    terms: str = Field(sa_type=Text)
    first_seen_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class TagSet(SQLModel, table=True):
    """Key-values that jobs have in common, as JSON with sorted keys."""

    __tablename__ = "tag_sets"

    id: str = Field(primary_key=True)
    tags: str = Field(sa_type=Text)


class UsageHour(SQLModel, table=True):
    """Sums over attempts that departed in an hour (Unix seconds of its start) and have all this in common.

    `model` is what the client asked for; the price names the route. What has no batch, no tags or no price
    has an empty text there. Each landing adds to it in its own transaction.
    """

    __tablename__ = "usage_hours"

    hour: int = Field(primary_key=True, sa_type=RowId)
    api_key_id: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    price_id: str = Field(primary_key=True)
    batch_id: str = Field(primary_key=True)
    tags_id: str = Field(primary_key=True)
    service_tier: str = Field(primary_key=True)

    calls: int = Field(default=0, sa_type=RowId)
    prompt_tokens: int = Field(default=0, sa_type=RowId)
    cached_tokens: int = Field(default=0, sa_type=RowId)
    completion_tokens: int = Field(default=0, sa_type=RowId)
    reasoning_tokens: int = Field(default=0, sa_type=RowId)
    total_tokens: int = Field(default=0, sa_type=RowId)
    cache_write_tokens: int = Field(default=0, sa_type=RowId)
    prompt_audio_tokens: int = Field(default=0, sa_type=RowId)
    completion_audio_tokens: int = Field(default=0, sa_type=RowId)
    cost_nanos: int = Field(default=0, sa_type=RowId)
    doubtful_calls: int = Field(default=0, sa_type=RowId)
    doubtful_tokens: int = Field(default=0, sa_type=RowId)
    doubtful_nanos: int = Field(default=0, sa_type=RowId)
    unpriced_calls: int = Field(default=0, sa_type=RowId)

    __table_args__ = (Index("usage_hours_of_key", "api_key_id", "hour"),)


class Budget(SQLModel, table=True):
    """What a key may spend in all, on a day, in a month (of UTC)."""

    __tablename__ = "budgets"

    api_key_id: str = Field(primary_key=True, foreign_key="api_keys.id")
    period: str = Field(primary_key=True)
    limit_nanos: int = Field(sa_type=RowId)

    __table_args__ = (CheckConstraint(one_of("period", Period), name="budget_period"),)


class Spending(SQLModel, table=True):
    """How a key's budget stands in the period that begins at `begins` (Unix seconds, 0 for the total).

    `reserved_nanos` is what calls under way can cost at most; `wanted_nanos` what the first call would have
    needed that found no room: until there is, the key's jobs are held.
    """

    __tablename__ = "spending"

    api_key_id: str = Field(primary_key=True, foreign_key="api_keys.id")
    period: str = Field(primary_key=True)
    begins: int = Field(primary_key=True, sa_type=RowId)
    spent_nanos: int = Field(default=0, sa_type=RowId)
    reserved_nanos: int = Field(default=0, sa_type=RowId)
    wanted_nanos: int | None = Field(default=None, sa_type=RowId)


class BudgetAlert(SQLModel, table=True):
    """That a budget (`account`: a batch id, or a key id, period and begin) reached a share of its limit."""

    __tablename__ = "budget_alerts"

    account: str = Field(primary_key=True)
    limit_nanos: int = Field(primary_key=True, sa_type=RowId)
    percent: int = Field(primary_key=True)
    api_key_id: str = Field(foreign_key="api_keys.id")
    spent_nanos: int = Field(sa_type=RowId)
    reached_at: datetime = Field(default_factory=now, sa_type=UtcTime)

    __table_args__ = (Index("budget_alerts_of_key", "api_key_id", "reached_at"),)
