"""`headrace submit`: an input sent to a headrace that runs."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from headrace.cli.conversion import Rules
from headrace.cli.inputs import read_input
from headrace.cli.options import (
    DEFAULT_URL,
    Ambiguous,
    Budget,
    DataDir,
    InputArgument,
    InvalidLines,
    Model,
    Priority,
    Url,
    Window,
    settings_of,
)
from headrace.cli.remote import connected
from headrace.cli.submission import submit
from headrace.cli.watch import watch_to_end
from headrace.client import USUAL, BatchOptions

Wait = Annotated[bool, typer.Option("--wait", help="Watch the batch until it is final.")]


def submit_command(
    given: InputArgument,
    model: Model = None,
    wait: Wait = False,
    window: Window = USUAL.completion_window,
    priority: Priority = USUAL.priority,
    invalid_lines: InvalidLines = "fail",
    on_ambiguous: Ambiguous = "retry",
    budget: Budget = None,
    url: Url = DEFAULT_URL,
    data_dir: DataDir = None,
) -> None:
    """Send INPUT as a batch, and print the batch's id.

    Faults that can be seen here are told at once, and nothing is sent; the rest shows in the batch.
    """
    options = BatchOptions(window, priority, invalid_lines, on_ambiguous, budget)
    rules = Rules(model, lambda _: True, settings_of(data_dir).max_body_bytes, invalid_lines == "skip")
    with TemporaryDirectory(prefix="headrace-") as scratch, connected(url, data_dir) as client:
        made = read_input(given, Path(scratch), rules)
        batch = submit(client, made, options)
        typer.echo(batch.id)
        if wait:
            raise typer.Exit(watch_to_end(client, batch.id, made))
