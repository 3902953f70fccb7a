"""What is said at the end: counts, tokens by kind, and the most frequent reasons of failures."""

from collections.abc import Mapping

import typer
from rich.box import SIMPLE
from rich.columns import Columns
from rich.table import Table

from headrace.cli.outcomes import Outcomes
from headrace.cli.terminal import console, shown
from headrace.client import BatchView
from headrace.money import shown as usd

SHOWN_REASONS = 10
TOKENS = {
    "prompt_tokens": "prompt",
    "cached_tokens": "  of them cached",
    "completion_tokens": "completion",
    "reasoning_tokens": "  of them reasoning",
    "total_tokens": "total",
}


def report(batch: BatchView, outcomes: Outcomes) -> None:
    """Print the tables."""
    tables = [_counts(batch, outcomes.skipped), _tokens(batch)]
    if batch.cost_nanos is not None or batch.unpriced_calls:
        tables.append(_cost(batch))
    console.print(Columns(tables))
    if outcomes.reasons:
        console.print(_reasons(outcomes))


def exit_code(batch: BatchView) -> int:
    """0 when all of the input was read and answered; else 1, and lines that say what is missing."""
    missing = batch.total - batch.succeeded
    if missing:
        typer.echo(f"{missing:,} of {batch.total:,} requests have no answer", err=True)
    for error in batch.errors:
        typer.echo(f"not all of the input became requests: {error['message']}", err=True)
    return 1 if missing or batch.errors else 0


def counted(title: str, rows: Mapping[str, int]) -> Table:
    """A table of named counts."""
    table = Table(title, "", box=SIMPLE)
    table.columns[1].justify = "right"
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    return table


def _counts(batch: BatchView, skipped: int) -> Table:
    rows = {"succeeded": batch.succeeded, "failed": batch.failed}
    if skipped:
        rows["  of them lines that cannot run"] = skipped
    return counted("requests", {**rows, "not run": batch.total - batch.done, "total": batch.total})


def _tokens(batch: BatchView) -> Table:
    return counted("tokens", {name: batch.usage[kind] for kind, name in TOKENS.items()})


def _cost(batch: BatchView) -> Table:
    """What is not known is said, and never counted as nothing."""
    table = Table("cost", "", box=SIMPLE)
    table.columns[1].justify = "right"
    table.add_row("known", "unknown" if batch.cost_nanos is None else usd(batch.cost_nanos))
    if batch.doubtful_nanos:
        table.add_row("in doubt, at most", usd(batch.doubtful_nanos))
    if batch.unpriced_calls:
        table.add_row("calls without a price", f"{batch.unpriced_calls:,}")
    return table


def _reasons(outcomes: Outcomes) -> Table:
    table = Table("times", "why there is no answer", box=SIMPLE)
    for reason, times in outcomes.reasons.most_common(SHOWN_REASONS):
        table.add_row(f"{times:,}", shown(reason))
    return table
