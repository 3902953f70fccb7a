"""Reading INPUT: a file, a pipe, or `-`."""

import shutil
import sys
from pathlib import Path

import typer

from headrace.cli.conversion import BadInput, Conversion, Input, Rules, Source
from headrace.cli.terminal import shown

STDIN = "-"


def read_input(given: str, folder: Path, rules: Rules) -> Input:
    """Check INPUT and make it a file of batch lines in `folder`, in memory that its bodies do not fill.

    Raises BadInput with every fault; nothing was sent anywhere by then.
    """
    try:
        made = Conversion(_source(given, folder), folder / "requests.jsonl", rules).run()
    except OSError as error:
        raise BadInput(f"{given}: {error.strerror}") from error
    for fault in made.faults:
        typer.echo(f"will not run: {shown(fault)}", err=True)
    return made


def _source(given: str, folder: Path) -> Source:
    path = Path(given)
    if given != STDIN and path.is_file():
        return Source(given, path)
    spool = folder / "input"  # what comes through a pipe comes only once
    with spool.open("wb") as out:
        if given == STDIN:
            shutil.copyfileobj(sys.stdin.buffer, out)
        else:
            with path.open("rb") as pipe:
                shutil.copyfileobj(pipe, out)
    return Source("stdin" if given == STDIN else given, spool)
