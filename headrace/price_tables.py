"""The tables `[prices.NAME]` of the configuration: what a contract says that the public list does not."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MOST_USD = 1_000_000
RATES = ("input", "cached_input", "cache_write", "audio_input", "output", "audio_output")


def _begins(value: object) -> datetime:
    """A date or a time of TOML, in UTC where it names no zone."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("it is a date such as 2026-07-01 or a date and time, without quotes")


def _number(value: object) -> Decimal:
    """Text is no number, and a number of TOML has become a Decimal or an int."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("it is a number, without quotes")
    return Decimal(value)


Number = BeforeValidator(_number)
Usd = Annotated[Decimal, Number, Field(ge=0, le=MOST_USD, max_digits=18, decimal_places=12)]
Share = Annotated[Decimal, Number, Field(ge=0, le=1, max_digits=13, decimal_places=12)]
Factor = Annotated[Decimal, Number, Field(ge=0, le=1000, max_digits=16, decimal_places=12)]


class PriceTable(BaseModel):
    """What a model costs from a time on. Without rates it is the listed price, with this discount.

    Rates are USD for a million tokens, `per_request` USD, `discount` a share of everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: str = ""
    since: Annotated[datetime, BeforeValidator(_begins)] | None = None
    input: Usd | None = None
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    audio_input: Usd | None = None
    output: Usd | None = None
    audio_output: Usd | None = None
    per_request: Usd | None = None
    discount: Share = Decimal()
    service_tiers: dict[str, Factor] = Field(default_factory=dict)
    note: str = ""

    @property
    def lane(self) -> str:
        """The model that clients ask for."""
        return self.model or self.name

    def rates(self) -> dict[str, Decimal]:
        """Those that are given."""
        return {name: rate for name in RATES if (rate := getattr(self, name)) is not None}

    def is_in_force(self, at: datetime) -> bool:
        """Whether it has begun."""
        return self.since is None or self.since <= at

    @model_validator(mode="before")
    @classmethod
    def _prompts_cost_something(cls, given: Any) -> Any:
        others = [name for name in RATES if name in given]
        if others and "input" not in given:
            raise ValueError(f"`input` is missing: with `{others[0]}` given, the listed price is not taken")
        return given


def in_force(tables: Iterable[PriceTable], at: datetime) -> PriceTable | None:
    """Of the tables of one model, the one that began last."""
    begun = [table for table in tables if table.is_in_force(at)]
    return max(begun, key=_beginning, default=None)


def price_faults(tables: Iterable[PriceTable], models: Iterable[str]) -> list[str]:
    """Tables for models that are not there, and tables that begin at the same time. No `models`: any is."""
    known = set(models)
    faults: list[str] = []
    first: dict[tuple[str, datetime], str] = {}
    for table in tables:
        if known and table.lane not in known:
            faults.append(f"prices.{table.name}: there is no model '{table.lane}'")
        other = first.setdefault((table.lane, _beginning(table)), table.name)
        if other != table.name:
            when = f"since {table.since:%Y-%m-%d %H:%M} UTC" if table.since else "without `since`"
            faults.append(f"prices.{table.name}: prices.{other} is for '{table.lane}' too, {when}")
    return faults


def _beginning(table: PriceTable) -> datetime:
    return table.since or datetime.min.replace(tzinfo=UTC)
