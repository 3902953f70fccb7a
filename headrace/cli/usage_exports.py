"""A report on usage for programs and spreadsheets. Amounts are exact: decimals as text, nothing rounded."""

from typing import Any

from headrace.cli.usage_report import UNKNOWN, UsageReport, is_doubt_unknown, is_unknown, written
from headrace.money import exact, usd
from headrace.spreadsheet import Cell
from headrace.store.postings import Posting

TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "prompt_audio_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "completion_audio_tokens",
    "total_tokens",
)
COLUMNS = (
    "calls",
    *TOKENS,
    "cost_usd",
    "doubtful_calls",
    "doubtful_tokens",
    "doubtful_usd",
    "unpriced_calls",
)


def as_rows(made: UsageReport) -> list[list[Cell]]:
    """A header, then a row for each group. USD are "unknown" where nothing of them is known."""
    header: list[Cell] = [*(heading.replace(" ", "_") for heading in made.headings), *COLUMNS]
    return [header, *([*made.cells(row), *_numbers(row.sums)] for row in made.rows)]


def as_object(made: UsageReport) -> dict[str, Any]:
    """One document. USD are what is known of them, null where nothing is."""
    return {
        "object": "headrace.usage",
        "start_time": made.start,
        "end_time": made.end,
        "by": made.headings,
        "rows": [
            {"group": dict(zip(made.headings, made.cells(row), strict=True)), **_object(row.sums)}
            for row in made.rows
        ],
        "days": [{"day": written("day", row.group["day"]), **_object(row.sums)} for row in made.days],
        "total": _object(made.total),
    }


def _numbers(sums: Posting) -> list[Cell]:
    return [
        sums.calls,
        *(getattr(sums, name) for name in TOKENS),
        UNKNOWN if is_unknown(sums) else usd(sums.cost_nanos),
        sums.doubtful_calls,
        sums.doubtful_tokens,
        UNKNOWN if is_doubt_unknown(sums) else usd(sums.doubtful_nanos),
        sums.unpriced_calls,
    ]


def _object(sums: Posting) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "usage": {name: getattr(sums, name) for name in TOKENS},
        "cost": {
            "usd": None if is_unknown(sums) else exact(sums.cost_nanos),
            "doubtful_usd": None if is_doubt_unknown(sums) else exact(sums.doubtful_nanos),
            "doubtful_calls": sums.doubtful_calls,
            "doubtful_tokens": sums.doubtful_tokens,
            "unpriced_calls": sums.unpriced_calls,
        },
    }
