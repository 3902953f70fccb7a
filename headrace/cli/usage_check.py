"""Whether the sums that usage is read from are those of the ledger, and making them again from it."""

from pathlib import Path

import typer
from rich.box import SIMPLE
from rich.table import Table
from sqlmodel import Session

from headrace.cli.database import current
from headrace.cli.terminal import console, shown
from headrace.cli.usage_report import written
from headrace.patience import patiently
from headrace.store import budgets, usage_hours
from headrace.store.postings import SUMS, Key, Posting

SHOWN = 20


def verify(data_dir: Path | None) -> None:
    """Say whether the sums kept are those of the ledger. Raises Exit with 1 if they are not."""
    with current(data_dir) as database, database.read() as session:
        found = usage_hours.differences(session)
    if not found:
        typer.echo("the sums kept are those of the ledger")
        return
    console.print(_table(found))
    typer.echo(f"{len(found):,} sums differ from the ledger; `headrace usage --rebuild` makes them again")
    raise typer.Exit(1)


def rebuild(data_dir: Path | None) -> None:
    """Put what the ledger says in place of the sums kept."""
    with current(data_dir) as database:
        with database.read() as session:
            found = usage_hours.differences(session)
        patiently(database, _made_again, at_length=True)
    typer.echo(f"the sums are made again from the ledger; {len(found):,} were different")


def _made_again(session: Session) -> None:
    usage_hours.rebuild(session)
    budgets.recount(session)


def _table(found: dict[Key, Posting]) -> Table:
    """What is kept beyond the ledger (or, negative, what is missing), for the first that differ."""
    table = Table("hour", "key", "model", "batch", "kept beyond the ledger", box=SIMPLE)
    for key, surplus in sorted(found.items())[:SHOWN]:
        said = ", ".join(f"{name} {getattr(surplus, name):+,}" for name in SUMS if getattr(surplus, name))
        table.add_row(written("hour", key.hour), key.api_key_id, shown(key.model), key.batch_id, said)
    return table
