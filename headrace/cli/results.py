"""`headrace results`: the results of a batch, also while it runs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from headrace.cli.options import DEFAULT_URL, BatchArgument, DataDir, Url
from headrace.cli.remote import connected
from headrace.client import Client
from headrace.states import BATCH_FINAL

POLL_SECONDS = 1.0

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="A file for them. (default: standard output)", show_default=False),
]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Wait for those to come, until the batch is final.")
]


def results(
    batch_id: BatchArgument,
    out: Out = None,
    follow: Follow = False,
    url: Url = DEFAULT_URL,
    data_dir: DataDir = None,
) -> None:
    """Write the results that a batch has by now, as JSON lines, in the order in which they came."""
    with connected(url, data_dir) as client, _target(out) as target:
        for page in _pages(client, batch_id, follow):
            target.writelines(line + b"\n" for line in page)
            target.flush()


def _pages(client: Client, batch_id: str, follow: bool) -> Iterator[list[bytes]]:
    after, more = 0, True
    while more:
        final = not follow or client.batch(batch_id).status in BATCH_FINAL  # asked before what it has
        page = client.results(batch_id, after)
        yield page.lines
        after, more = page.cursor, page.has_more or not final
        if more and not page.has_more:
            time.sleep(POLL_SECONDS)


@contextmanager
def _target(out: Path | None) -> Iterator[BinaryIO]:
    """A file appears when it is whole."""
    if out is None:
        yield sys.stdout.buffer
        return
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as target:
            yield target
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)
