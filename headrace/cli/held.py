"""`headrace held`: the requests that wait for their owner, and why."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import orjson
import typer
from rich.box import SIMPLE
from rich.table import Table

from headrace.cli.options import DEFAULT_URL, BatchOption, DataDir, Url
from headrace.cli.remote import connected
from headrace.cli.terminal import console, shown
from headrace.client import HeldView

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


def held(
    batch_id: BatchOption = None, as_json: Json = False, url: Url = DEFAULT_URL, data_dir: DataDir = None
) -> None:
    """List the requests that are held: since when, why, and what their calls can have cost at most.

    Those that wait for a budget are one line for each batch: they go on by themselves. `headrace release`
    lets the others go.
    """
    with connected(url, data_dir) as client:
        found = list(client.held(batch_id))
    if as_json:
        for job in found:
            typer.echo(orjson.dumps(asdict(job)))
    elif found:
        console.print(_table(found))
    else:
        typer.echo("nothing is held")


def _table(found: Sequence[HeldView]) -> Table:
    table = Table("job", "batch", "custom_id", "since", "why", "calls", "tokens at most", box=SIMPLE)
    for column in table.columns[:2]:
        column.no_wrap = True
    for name, group in _grouped(found).items():
        first = min(group, key=lambda job: job.since)
        table.add_row(
            name,
            first.batch_id or "",
            shown(first.custom_id or "") if len(group) == 1 else "",
            f"{datetime.fromtimestamp(first.since).astimezone():%Y-%m-%d %H:%M}",
            shown(first.why),
            f"{sum(job.calls for job in group):,}",
            f"{sum(job.tokens_at_most for job in group):,}",
        )
    return table


def _grouped(found: Sequence[HeldView]) -> dict[str, list[HeldView]]:
    """By what stands for them: what waits for a budget is together, by batch."""
    budgeted: dict[str | None, list[HeldView]] = defaultdict(list)
    groups: dict[str, list[HeldView]] = {}
    for job in found:
        if job.waits_for_budget:
            budgeted[job.batch_id].append(job)
        else:
            groups[job.id] = [job]
    for group in budgeted.values():
        groups[group[0].id if len(group) == 1 else f"{group[0].id} and {len(group) - 1:,} more"] = group
    return groups
