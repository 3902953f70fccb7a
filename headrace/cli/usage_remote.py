"""The same report, from a headrace that is asked over HTTP: `GET /v1/usage` and `GET /v1/costs`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from headrace.cli.usage_report import UsageReport
from headrace.client import Client, Unreachable
from headrace.money import nanos
from headrace.store.postings import Posting
from headrace.store.reports import TAG, Row, Wanted

NAMES = {"api_key_id": "api_key", "batch_id": "batch"}
"""Groups of reports that the API calls otherwise."""


def from_api(client: Client, wanted: Wanted, by: Sequence[str]) -> UsageReport:
    """Of the calls that the client's key may see. Raises Refused or Unreachable."""
    chosen: dict[str, str | int | Sequence[str]] = {
        "start_time": wanted.start,
        "end_time": wanted.end,
        "models": wanted.models,
        "batch_ids": wanted.batch_ids,
        "api_key_ids": wanted.api_key_ids,
        "tags": [f"{TAG}{name}={value}" for name, value in wanted.tags.items()],
    }
    rows = _rows(client, chosen, by)
    days = rows if list(by) == ["day"] else _rows(client, chosen, ["day"])
    return UsageReport(wanted.start, wanted.end, tuple(by), rows, days)


def _rows(client: Client, chosen: Mapping[str, str | int | Sequence[str]], by: Sequence[str]) -> list[Row]:
    """Usage, and the costs of the same groups as they stand a moment later."""
    query = {**chosen, "group_by": [NAMES.get(name, name) for name in by]}
    used = list(client.report("usage", query))
    costs = {row.id: row.sums for row in client.report("costs", query)}
    try:
        return [
            Row({name: row.group[NAMES.get(name, name)] for name in by}, _posting(row.sums, costs[row.id]))
            for row in used
            if row.id in costs
        ]
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise Unreachable("the report makes no sense: is that headrace?") from error


def _posting(usage: Mapping[str, Any], cost: Mapping[str, Any]) -> Posting:
    return Posting(
        calls=usage["calls"],
        prompt_tokens=usage["input_tokens"],
        cached_tokens=usage["input_cached_tokens"],
        completion_tokens=usage["output_tokens"],
        reasoning_tokens=usage["output_reasoning_tokens"],
        total_tokens=usage["total_tokens"],
        cache_write_tokens=usage["input_cache_write_tokens"],
        prompt_audio_tokens=usage["input_audio_tokens"],
        completion_audio_tokens=usage["output_audio_tokens"],
        cost_nanos=nanos(Decimal(cost["usd"] or 0)),  # null beside unpriced calls
        doubtful_calls=usage["ambiguous"]["calls"],
        doubtful_tokens=usage["ambiguous"]["tokens_at_most"],
        doubtful_nanos=nanos(Decimal(cost["doubtful_usd"])),
        unpriced_calls=cost["unpriced_calls"],
    )
