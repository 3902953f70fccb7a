"""What the objects that we answer with have in common: an id, whole seconds, and pages."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator

from headrace.bodies import MAX_NAME_CHARACTERS
from headrace.money import exact

# JSON schema of a string that `headrace.bodies.is_name` takes
A_NAME: dict[str, Any] = {"minLength": 1, "maxLength": MAX_NAME_CHARACTERS, "pattern": r"^[^\u0000]+$"}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# For an int that is strict, so that no string will do: JSON has one kind of number, and 3.0 is as good as 3.
WHOLE = BeforeValidator(_whole)


class WireObject(BaseModel):
    """Something that clients can ask for again."""

    id: str


class Ambiguous(BaseModel):
    """Calls that may have been paid for, nobody knows with how much: `usage` does not have them."""

    calls: int
    tokens_at_most: int


class Cost(BaseModel):
    """USD as text, with every digit: of what is exactly known, and at most of calls whose cost is not.

    `unpriced_calls` have no price, and are in neither. `usd` is null where nothing else is known.
    """

    usd: str | None
    doubtful_usd: str
    unpriced_calls: int

    @classmethod
    def of(cls, cost_nanos: int, doubtful_nanos: int, unpriced_calls: int) -> "Cost":
        """From what is kept."""
        return cls(
            usd=exact(cost_nanos) if cost_nanos or not unpriced_calls else None,
            doubtful_usd=exact(doubtful_nanos),
            unpriced_calls=unpriced_calls,
        )


Row = TypeVar("Row")
Item = TypeVar("Item", bound=WireObject)


class Page(BaseModel, Generic[Item]):
    """A list, or a part of one. The SDK goes on behind the last id while `has_more` (contract 1.4)."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, rows: Sequence[Row], show: Callable[[Row], Item], limit: int) -> "Page[Item]":
        """The first `limit` of `rows`, which were read one further to know whether more follow."""
        data = [show(row) for row in rows[:limit]]
        ends = (data[0].id, data[-1].id) if data else (None, None)
        return cls(data=data, first_id=ends[0], last_id=ends[1], has_more=len(rows) > limit)


def seconds(time: datetime) -> int:
    """Whole Unix seconds."""
    return int(time.timestamp())


def seconds_or_none(time: datetime | None) -> int | None:
    """Whole Unix seconds of what may not have happened."""
    return None if time is None else seconds(time)
