"""Usage and costs of a key's calls, by what they have in common; with an admin key of all keys' calls."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.deps import DatabaseDep, KeyHolderDep
from api.report_query import Name, ReportRoute, Time, listed, refuse, this_hour_over
from api.schemas import Page, WireObject
from api.usage_objects import CostRow, UsageRow, cost_row, usage_row, values_of
from headrace.db import Database
from headrace.models import ApiKey
from headrace.periods import DAY
from headrace.store.reports import TAG, Row, Value, Wanted, in_order, report

router = APIRouter(tags=["usage"], route_class=ReportRoute)

DEFAULT_SECONDS = 30 * DAY
TIMES = ("hour", "day", "month")
COLUMNS = {"api_key": "api_key_id", "batch": "batch_id"}
GROUP = r"^(hour|day|month|api_key|model|route|batch|service_tier|tag:[^\u0000]{1,64})$"
TAG_IS = r"^tag:[^=\u0000]{1,64}=[^\u0000]{0,512}$"

GROUP_RULE = (
    "it must be hour, day, month, api_key, model, route, batch, service_tier, or tag:NAME"
    " with a name of 1 to 64 characters"
)
TAG_RULE = "it must be tag:NAME=VALUE with a name of 1 to 64 characters and a value of at most 512"


def _of_form(form: str, rule: str) -> AfterValidator:
    """Pydantic's validator of a text; the refusal says the rule."""

    def checked(text: str) -> str:
        if not re.fullmatch(form, text):
            raise PydanticCustomError("form", "{rule}", {"rule": rule})
        return text

    return AfterValidator(checked)


Group = Annotated[str, _of_form(GROUP, GROUP_RULE), WithJsonSchema({"type": "string", "pattern": GROUP})]
TagIs = Annotated[str, _of_form(TAG_IS, TAG_RULE), WithJsonSchema({"type": "string", "pattern": TAG_IS})]
Item = TypeVar("Item", bound=WireObject)


class ReportQuery(BaseModel):
    """Which calls, and what the rows are; a page of them."""

    start_time: Time | None = Field(
        None, description="Unix seconds: calls from the hour on that this is in; by default of 30 days"
    )
    end_time: Time | None = Field(
        None, description="Up to the hour in which the second before this is; by default until now"
    )
    group_by: list[Group] = listed("What the calls of a row have in common; tag:NAME for a tag")
    models: list[Name] = listed("Calls of these models only")
    batch_ids: list[Name] = listed("Calls of these batches only")
    service_tiers: list[Name] = listed("Calls served in these tiers only")
    tags: list[TagIs] = listed("Calls that have all these tags only, each as tag:NAME=VALUE")
    api_key_ids: list[Name] = listed("Calls of these keys only; for admin keys")
    after: str | None = None
    limit: int = Field(1000, ge=1, le=1000)


class Asked(NamedTuple):
    """A page of a report: `group_by` in the client's words, `after` the values of the last row seen."""

    wanted: Wanted
    group_by: list[str]
    after: list[Value] | None
    limit: int


def asked(key: KeyHolderDep, query: Annotated[ReportQuery, Query()]) -> Asked:
    """What the URL says. An ordinary key asks for its own calls."""
    end = this_hour_over() if query.end_time is None else query.end_time
    start = max(0, end - DEFAULT_SECONDS) if query.start_time is None else query.start_time
    if end <= start:
        raise refuse("end_time", "'end_time' must be after 'start_time'.")
    wanted = Wanted(
        start,
        end,
        api_key_ids=_keys(key, query.api_key_ids),
        models=query.models,
        batch_ids=query.batch_ids,
        service_tiers=query.service_tiers,
        tags=_tags(query.tags),
    )
    groups = list(dict.fromkeys(query.group_by))
    return Asked(wanted, groups, _last_seen(query.after, groups) if query.after else None, query.limit)


AskedDep = Annotated[Asked, Depends(asked)]


@router.get("/usage")
def report_usage(asked: AskedDep, database: DatabaseDep) -> Page[UsageRow]:
    """What calls used that departed in a time, in the order of what they are grouped by."""
    return _page(database, asked, usage_row)


@router.get("/costs")
def report_costs(asked: AskedDep, database: DatabaseDep) -> Page[CostRow]:
    """What calls cost that departed in a time, in the order of what they are grouped by."""
    return _page(database, asked, cost_row)


def _page(database: Database, asked: Asked, show: Callable[[Row, dict[str, Value]], Item]) -> Page[Item]:
    columns = [COLUMNS.get(name, name) for name in asked.group_by]
    with database.read() as session:
        rows = report(session, asked.wanted, columns)
    if asked.after is not None:
        seen = in_order(asked.after)
        rows = [row for row in rows if in_order(row.group[name] for name in columns) > seen]

    def shown(row: Row) -> Item:
        return show(row, {name: row.group[COLUMNS.get(name, name)] for name in asked.group_by})

    return Page[Item].of(rows[: asked.limit + 1], shown, asked.limit)


def _keys(key: ApiKey, api_key_ids: Sequence[str]) -> Sequence[str]:
    if key.is_admin:
        return api_key_ids
    if set(api_key_ids) - {key.id}:
        raise refuse("api_key_ids", "Only an admin key sees other keys: leave 'api_key_ids' out.")
    return (key.id,)


def _tags(tags: Sequence[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for tag in tags:
        name, _, value = tag.removeprefix(TAG).partition("=")
        if wanted.setdefault(name, value) != value:
            raise refuse("tags", f"No call has two values of the tag '{name}'.")
    return wanted


def _last_seen(after: str, group_by: Sequence[str]) -> list[Value]:
    """The values of a row of the same report."""
    values = values_of(after)
    if values is None or len(values) != len(group_by) or not all(map(_fits, group_by, values)):
        raise refuse("after", "'after' must be the id of a row of the same report.")
    return values


def _fits(name: str, value: Value) -> bool:
    if name in TIMES:
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None or isinstance(value, str)
