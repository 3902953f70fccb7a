"""`headrace up`: the whole stack in the foreground."""

from typing import Annotated

import typer

from headrace.cli.interrupts import PATIENCE, interruptible
from headrace.cli.options import DataDir, Workers, settings_of
from headrace.cli.providers import missing_key
from headrace.cli.terminal import near
from headrace.config import load_config
from headrace.embedded import Stack

READY = """\
headrace is ready at {url}
its API key is in {key_file}

    from pathlib import Path
    from openai import OpenAI

    client = OpenAI(base_url="{url}/v1", api_key=Path("{key_file}").read_text().strip())
    file = client.files.create(file=Path("requests.jsonl"), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )

Ctrl-C stops it; unfinished work goes on at the next start.
"""

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the API; 0 is any free one.")]


def up(port: Port = 8000, workers: Workers = None, data_dir: DataDir = None) -> None:
    """Run Valkey, the API, workers and beat until Ctrl-C or SIGTERM, with nothing else installed.

    The API is that of OpenAI's files and batches, on 127.0.0.1. A second Ctrl-C does not wait for the calls
    that are under way.
    """
    stack = Stack(settings_of(data_dir), port=port, workers=workers)
    if missing := missing_key(load_config(stack.settings)):
        typer.echo(f"warning: {missing}", err=True)
    with interruptible(stack), stack:
        typer.echo(
            f"starting headrace, with {stack.workers} workers; its logs are in {near(stack.folder.logs)}"
        )
        try:
            stack.wait_ready()
            typer.echo(READY.format(url=stack.base_url, key_file=stack.folder.key_file))
            stack.wait()
        except KeyboardInterrupt:
            typer.echo(f"stopping, {PATIENCE}", err=True)
