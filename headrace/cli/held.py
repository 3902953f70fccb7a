"""`headrace held`: the requests that wait for their owner, and why."""

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

    `headrace release` lets them go.
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
    for job in found:
        table.add_row(
            job.id,
            job.batch_id or "",
            shown(job.custom_id or ""),
            f"{datetime.fromtimestamp(job.since).astimezone():%Y-%m-%d %H:%M}",
            shown(job.why),
            f"{job.calls:,}",
            f"{job.tokens_at_most:,}",
        )
    return table
