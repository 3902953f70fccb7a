"""`headrace batches`: what was submitted, and how far it is."""

from datetime import datetime
from itertools import islice
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from headrace.cli.options import DEFAULT_URL, DataDir, Url
from headrace.cli.remote import connected
from headrace.cli.terminal import console
from headrace.client import BatchView

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]


def batches(limit: Limit = 20, url: Url = DEFAULT_URL, data_dir: DataDir = None) -> None:
    """List batches, newest first."""
    with connected(url, data_dir) as client:
        found = list(islice(client.batches(page=min(limit, 100)), limit))
    table = Table("batch", "status", "done", "failed", "tokens", "created", box=SIMPLE)
    table.columns[0].no_wrap = True
    for batch in found:
        table.add_row(*_row(batch))
    console.print(table)


def _row(batch: BatchView) -> tuple[str, ...]:
    created = datetime.fromtimestamp(batch.created_at).astimezone()
    return (
        batch.id,
        batch.status,
        f"{batch.done:,}/{batch.total:,}",
        f"{batch.failed:,}",
        f"{batch.usage['total_tokens']:,}",
        f"{created:%Y-%m-%d %H:%M}",
    )
