"""What calls used and cost, from the sums by hour: of some of them, grouped by what they have in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlmodel import Session

from headrace.errors import InvalidRequest
from headrace.periods import DAY, begins
from headrace.states import Period
from headrace.store.postings import HOUR, NOTHING, SUMS, Posting
from headrace.store.tables import prices, tag_sets, usage_hours

MOST_GROUPS = 100_000
TAG = "tag:"
GROUPS = (
    "hour",
    "day",
    "month",
    "api_key_id",
    "model",
    "route",
    "price_id",
    "batch_id",
    "in_batch",
    "service_tier",
)
Value = bool | int | str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls: those that departed from `start` to before `end` (Unix seconds), and all else given.

    Sums are by hour: `start` counts from the beginning of its hour, `end` to the end of the hour it is in.
    Nothing given for a column means any value. `batch` True: only of batches, False: only of none.
    """

    start: int
    end: int
    api_key_ids: Sequence[str] = ()
    models: Sequence[str] = ()
    batch_ids: Sequence[str] = ()
    batch: bool | None = None
    service_tiers: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class Row(NamedTuple):
    """Sums of a group. `group` has a value for each of `group_by`.

    Hours, days and months are the Unix seconds of their beginning (UTC); routes "provider/model"; `in_batch`
    is a bool; what a call does not have (a batch, a price, this tag, a stated tier) is None.
    """

    group: dict[str, Value]
    sums: Posting


def is_group(name: str) -> bool:
    """Whether a report can be grouped by it: one of GROUPS, or tag:NAME."""
    return name in GROUPS or (name.startswith(TAG) and name != TAG)


def report(session: Session, wanted: Wanted, group_by: Sequence[str] = ()) -> list[Row]:
    """The sums of each group that has any, in the order of their values, None last. One statement.

    Raises InvalidRequest for more groups than anybody reads.
    """
    if wrong := [name for name in group_by if not is_group(name)]:
        raise ValueError(f"there is no group {wrong[0]!r}")
    values = {name: _value_of(name) for name in group_by}
    has = lru_cache(maxsize=None)(lambda tags: wanted.tags.items() <= _tags(tags).items())
    folded: dict[tuple[Value, ...], Posting] = {}
    rows = session.execute(_statement(wanted, group_by).limit(MOST_GROUPS + 1)).all()
    if len(rows) > MOST_GROUPS:
        raise InvalidRequest(
            f"The report has more than {MOST_GROUPS:,} rows: ask for less time, or for fewer groups.",
            param="group_by",
            code="invalid_value",
        )
    for found in rows:
        one = Posting._make((*map(int, found[: len(SUMS)]), 0))
        if one == NOTHING or (wanted.tags and not has(found.tags)):
            continue
        group = tuple(value(found) for value in values.values())
        before = folded.get(group)
        folded[group] = one if before is None else before.plus(one)
    ordered = sorted(folded, key=in_order)
    return [Row(dict(zip(values, group, strict=True)), folded[group]) for group in ordered]


def in_order(group: Iterable[Value]) -> list[tuple[bool, Value]]:
    """What groups of one report are sorted by."""
    return [(value is None, value) for value in group]


def _statement(wanted: Wanted, group_by: Sequence[str]) -> Select[Any]:
    """The sums, then their groups. Prices and tags are looked up for each group, not for each hour."""
    summed = _summed(wanted, group_by).subquery("summed")
    read: list[ColumnElement[Any]] = list(summed.c)
    sources: Any = summed
    if "price_id" in summed.c:
        read += [prices.c.provider, prices.c.model.label("price_model")]
        sources = sources.outerjoin(prices, prices.c.id == summed.c.price_id)
    if "tags_id" in summed.c:
        read.append(tag_sets.c.tags)
        sources = sources.outerjoin(tag_sets, tag_sets.c.id == summed.c.tags_id)
    return select(*read).select_from(sources)


def _summed(wanted: Wanted, group_by: Sequence[str]) -> Select[Any]:
    dimensions = dict(_column(name) for name in group_by)
    if wanted.tags:
        dimensions["tags_id"] = usage_hours.c.tags_id
    labelled = [column.label(name) for name, column in dimensions.items()]
    sums = [func.coalesce(func.sum(usage_hours.c[name]), 0).label(name) for name in SUMS]
    return select(*sums, *labelled).where(*_conditions(wanted)).group_by(*labelled)


def _column(name: str) -> tuple[str, ColumnElement[Any]]:
    """The column that must be told apart for a group, and the name it has in the answer."""
    if name in ("day", "month"):
        return "day", usage_hours.c.hour - usage_hours.c.hour % DAY
    if name == "in_batch":
        return name, case((usage_hours.c.batch_id == "", 0), else_=1)
    if name == "route":
        return "price_id", usage_hours.c.price_id
    if name.startswith(TAG):
        return "tags_id", usage_hours.c.tags_id
    return name, usage_hours.c[name]


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    columns = usage_hours.c
    chosen = {
        columns.api_key_id: wanted.api_key_ids,
        columns.model: wanted.models,
        columns.batch_id: wanted.batch_ids,
        columns.service_tier: wanted.service_tiers,
    }
    conditions = [columns.hour >= wanted.start // HOUR * HOUR, columns.hour < -(-wanted.end // HOUR) * HOUR]
    conditions += [or_(*(column == value for value in values)) for column, values in chosen.items() if values]
    if wanted.batch is not None:
        conditions.append(columns.batch_id != "" if wanted.batch else columns.batch_id == "")
    return conditions


def _value_of(name: str) -> Callable[[Any], Value]:
    """How a group's value follows from a row of the statement."""
    if name == "month":
        month = lru_cache(maxsize=None)(partial(begins, Period.MONTH))
        return lambda found: month(found.day)
    if name == "route":
        return lambda found: f"{found.provider}/{found.price_model}" if found.provider else None
    if name.startswith(TAG):
        tag = lru_cache(maxsize=None)(lambda tags: _tags(tags).get(name.removeprefix(TAG)))
        return lambda found: tag(found.tags)
    read = attrgetter(name)
    if name == "in_batch":
        return lambda found: bool(found.in_batch)
    return read if name in ("hour", "day") else lambda found: read(found) or None


def _tags(text: str | None) -> dict[str, str]:
    tags: dict[str, str] = orjson.loads(text or "{}")
    return tags
