"""Rows of our reports on usage and costs. `id` is what `after` takes, `group` what calls have in common."""

import base64
import binascii
from collections.abc import Mapping
from typing import Literal

import orjson
from pydantic import Field

from api.schemas import Ambiguous, Cost, WireObject
from headrace.store.reports import Row, Value

PREFIX = "row_"


class _Row(WireObject):
    group: dict[str, int | str | None] = Field(
        description="By what was asked for. Times are Unix seconds; null is what the calls do not have."
    )


class UsageRow(_Row):
    """Tokens of calls. Those cached, written to a cache, and heard are parts of `input_tokens`."""

    object: Literal["usage"] = "usage"
    calls: int
    input_tokens: int
    input_cached_tokens: int
    input_cache_write_tokens: int
    input_audio_tokens: int
    output_tokens: int
    output_reasoning_tokens: int
    output_audio_tokens: int
    total_tokens: int
    ambiguous: Ambiguous


class CostRow(_Row, Cost):
    """Costs of calls: USD as text, with every digit."""

    object: Literal["cost"] = "cost"
    calls: int


def usage_row(row: Row, group: Mapping[str, Value]) -> UsageRow:
    """What calls used, under the names that were asked for."""
    sums = row.sums
    return UsageRow(
        id=row_id(group),
        group=dict(group),
        calls=sums.calls,
        input_tokens=sums.prompt_tokens,
        input_cached_tokens=sums.cached_tokens,
        input_cache_write_tokens=sums.cache_write_tokens,
        input_audio_tokens=sums.prompt_audio_tokens,
        output_tokens=sums.completion_tokens,
        output_reasoning_tokens=sums.reasoning_tokens,
        output_audio_tokens=sums.completion_audio_tokens,
        total_tokens=sums.total_tokens,
        ambiguous=Ambiguous(calls=sums.doubtful_calls, tokens_at_most=sums.doubtful_tokens),
    )


def cost_row(row: Row, group: Mapping[str, Value]) -> CostRow:
    """What calls cost, under the names that were asked for."""
    sums = row.sums
    cost = Cost.of(sums.cost_nanos, sums.doubtful_nanos, sums.unpriced_calls)
    return CostRow(id=row_id(group), group=dict(group), calls=sums.calls, **cost.model_dump())


def row_id(group: Mapping[str, Value]) -> str:
    """Names a row of a report by its group's values."""
    return PREFIX + base64.urlsafe_b64encode(orjson.dumps([*group.values()])).decode()


def values_of(name: str) -> list[Value] | None:
    """The values in the id of a row; None if it is no such id."""
    try:
        found = orjson.loads(base64.urlsafe_b64decode(name.removeprefix(PREFIX)))
    except (binascii.Error, ValueError):
        return None
    return found if isinstance(found, list) else None
