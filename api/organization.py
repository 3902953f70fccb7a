"""Usage and costs of all keys, as OpenAI's administrators know them (contract 7)."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from api.buckets import WIDTHS, BucketPage, Span
from api.deps import DatabaseDep
from api.organization_objects import CostsResult, UsageResult
from api.refusals import refuses
from api.report_query import Name, ReportRoute, Time, listed, refuse
from headrace.db import Database
from headrace.periods import DAY
from headrace.store.reports import Row, Wanted, report

router = APIRouter(prefix="/organization", tags=["organization"], route_class=ReportRoute)

LIMITS = {"1h": (24, 168), "1d": (7, 31)}  # buckets by default, and at most
# What calls have of what OpenAI groups by.
COLUMNS = {
    "api_key_id": "api_key_id",
    "model": "model",
    "batch": "in_batch",
    "service_tier": "service_tier",
    "line_item": "model",
}
UsageGroup = Literal["project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"]
CostsGroup = Literal["project_id", "user_id", "line_item", "api_key_id", "api_source"]

Result = TypeVar("Result", bound=BaseModel)


class _Query(BaseModel):
    start_time: Time = Field(description="Unix seconds: calls from the bucket on that this is in")
    end_time: Time | None = Field(None, description="Up to the bucket in which the second before this is")
    api_key_ids: list[Name] = listed("Calls of these keys only")
    page: str | None = Field(None, description="The `next_page` of the page before")


class UsageQuery(_Query):
    """Of contract 7.2."""

    bucket_width: str = Field("1d", description="How long a bucket is", json_schema_extra={"enum": [*WIDTHS]})
    limit: int | None = Field(None, ge=1, description="Buckets: 31 of days at most, 168 of hours")
    group_by: list[UsageGroup] = listed("What the calls of a result have in common")
    models: list[Name] = listed("Calls of these models only")
    batch: bool | None = Field(None, description="Calls of batches only, or all others only")


class CostsQuery(_Query):
    """Of contract 7.3."""

    bucket_width: Literal["1d"] = Field("1d", description="How long a bucket is")
    limit: int = Field(7, ge=1, le=180, description="Buckets")
    group_by: list[CostsGroup] = listed("What the calls of a result have in common")
    line_items: list[Name] = listed("Calls of these models only")


@refuses(400)
async def no_projects(request: Request) -> None:
    """Refuses filters by what headrace does not have: to pass over them would report too much."""
    for name in ("project_ids", "user_ids"):
        if name in request.query_params:
            raise refuse(name, f"headrace has no projects and no users: leave '{name}' out.")


@router.get("/usage/completions", dependencies=[Depends(no_projects)])
def organization_usage(
    query: Annotated[UsageQuery, Query()], database: DatabaseDep
) -> BucketPage[UsageResult]:
    """What calls to all endpoints used, in the hours or days in which they departed."""
    width = query.bucket_width
    if width == "1m":
        raise refuse("bucket_width", "headrace keeps sums by the hour: 'bucket_width' must be '1h' or '1d'.")
    if width not in WIDTHS:
        raise refuse("bucket_width", "'bucket_width' must be '1h' or '1d'.")
    default, most = LIMITS[width]
    if query.limit is not None and query.limit > most:
        raise refuse("limit", f"'limit' must be at most {most} where 'bucket_width' is '{width}'.")
    span = Span.of(query.start_time, query.end_time, WIDTHS[width], query.limit or default, query.page)
    wanted = Wanted(
        span.start, span.end, api_key_ids=query.api_key_ids, models=query.models, batch=query.batch
    )
    return _page(database, span, wanted, query.group_by, UsageResult.of)


@router.get("/costs", dependencies=[Depends(no_projects)])
def organization_costs(
    query: Annotated[CostsQuery, Query()], database: DatabaseDep
) -> BucketPage[CostsResult]:
    """What calls cost, on the days on which they departed."""
    span = Span.of(query.start_time, query.end_time, DAY, query.limit, query.page)
    wanted = Wanted(span.start, span.end, api_key_ids=query.api_key_ids, models=query.line_items)
    return _page(database, span, wanted, query.group_by, CostsResult.of)


def _page(
    database: Database, span: Span, wanted: Wanted, group_by: Sequence[str], show: Callable[[Row], Result]
) -> BucketPage[Result]:
    columns = dict.fromkeys(COLUMNS[name] for name in group_by if name in COLUMNS)
    bucket = "day" if span.width == DAY else "hour"
    with database.read() as session:
        rows = report(session, wanted, [bucket, *columns])
    results = defaultdict[int, list[Result]](list)
    for row in rows:
        results[int(row.group[bucket] or 0)].append(show(row))
    return span.page(results)
