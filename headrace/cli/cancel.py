"""`headrace cancel`: the end of a batch before its time."""

import typer

from headrace.cli.options import DEFAULT_URL, BatchArgument, DataDir, Url
from headrace.cli.remote import connected


def cancel(batch_id: BatchArgument, url: Url = DEFAULT_URL, data_dir: DataDir = None) -> None:
    """Let no more calls of a batch begin. Those under way are paid for, and may end."""
    with connected(url, data_dir) as client:
        batch = client.cancel(batch_id)
    typer.echo(f"{batch.id}: {batch.status}, {batch.done:,} of {batch.total:,} done")
