"""`headrace watch`: a batch's progress until it is final."""

import typer

from headrace.cli.conversion import Input
from headrace.cli.following import follow
from headrace.cli.options import DEFAULT_URL, BatchArgument, DataDir, Url
from headrace.cli.outcomes import Outcomes, result_pages
from headrace.cli.progress import display
from headrace.cli.remote import connected
from headrace.cli.report import exit_code, report
from headrace.cli.submission import check_accepted
from headrace.client import Client


def watch(batch_id: BatchArgument, url: Url = DEFAULT_URL, data_dir: DataDir = None) -> None:
    """Show how far a batch is until it is final; then its counts, its tokens, and why requests failed.

    Exit status: 0 if all requests succeeded, 1 if some did not, 2 if the input was refused (nothing was
    sent), 130 if interrupted. Ctrl-C ends the watching, not the batch.
    """
    with connected(url, data_dir) as client:
        raise typer.Exit(watch_to_end(client, batch_id))


def watch_to_end(client: Client, batch_id: str, made: Input | None = None) -> int:
    """The same, for a batch whose input may be known; returns the exit status."""
    with display() as shown:
        batch = follow(client, batch_id, shown)
    check_accepted(batch, made)
    outcomes = Outcomes()
    if batch.succeeded < batch.total:
        for page in result_pages(client, batch_id):
            for line in page:
                outcomes.add(line)
    report(batch, outcomes)
    return exit_code(batch)
