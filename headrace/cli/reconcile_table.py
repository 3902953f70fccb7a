"""A provider's bill beside our ledger, for people and for programs."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from headrace.cli.moments import day
from headrace.cli.terminal import console, shown
from headrace.money import plain
from headrace.reconciling import Line, Reconciliation

COLUMNS = (
    "day",
    "model",
    "calls",
    "ours",
    "not known: at most",
    "unpriced calls",
    "theirs",
    "difference",
    "verdict",
)
OTHER = "no call of headrace"


def show(found: Reconciliation) -> None:
    """Print it: by day, over all days if there are several, and what comes of it."""
    table = Table(*COLUMNS, box=SIMPLE)
    for column in table.columns[2:8]:
        column.justify = "right"
    _add(table, found.lines)
    if len({line.day for line in found.lines}) > 1:
        _add(table, found.sums)
    table.add_row(*_cells(found.total)[:-1], found.verdict)
    console.print(table)
    console.print(_summary(found))


def as_object(found: Reconciliation) -> dict[str, Any]:
    """One document; amounts are exact, as text."""
    return {
        "object": "headrace.reconciliation",
        "verdict": found.verdict.name.lower(),
        "lines": [_object(line) for line in found.lines],
        "sums": [_object(line) for line in found.sums],
        "total": {**_object(found.total), "verdict": found.verdict.name.lower()},
    }


def _add(table: Table, lines: Iterable[Line]) -> None:
    for line in lines:
        table.add_row(*_cells(line))
    table.add_section()


def _cells(line: Line) -> list[str]:
    """Of what is no model there is nothing of ours."""
    ours = [f"{line.calls:,}", _usd(line.ours), _usd(line.doubtful) if line.doubtful else ""]
    return [
        "all" if line.day is None else day(line.day),
        shown(line.name),
        *(ours if line.is_model else [""] * len(ours)),
        f"{line.unpriced_calls:,}" if line.unpriced_calls else "",
        _usd(line.theirs),
        _usd(line.difference),
        line.verdict if line.is_model else OTHER,
    ]


def _summary(found: Reconciliation) -> str:
    total = found.total
    doubt = f", and at most {_usd(total.doubtful)} that is in doubt" if total.doubtful else ""
    unpriced = f", and {total.unpriced_calls:,} calls of no known price" if total.unpriced_calls else ""
    others = f", {_usd(found.of_others)} of it for {OTHER}" if found.of_others else ""
    sides = f"ours {_usd(total.ours)}{doubt}{unpriced}; theirs {_usd(total.theirs)}{others}"
    return f"{sides}; difference {_usd(total.difference)}: {found.verdict}"


def _object(line: Line) -> dict[str, Any]:
    return {
        "day": None if line.day is None else day(line.day),
        "name": line.name,
        "is_model": line.is_model,
        "calls": line.calls,
        "usd": _text(line.ours),
        "doubtful_usd": _text(line.doubtful),
        "unpriced_calls": line.unpriced_calls,
        "billed_usd": _text(line.theirs),
        "difference_usd": _text(line.difference),
        "verdict": line.verdict.name.lower() if line.is_model else None,
    }


def _usd(amount: Decimal) -> str:
    return f"{'-' if amount < 0 else ''}${abs(amount):,.9f}"


def _text(amount: Decimal) -> str:
    return plain(amount)
