"""`headrace keys`: who may use the API."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from headrace.cli.database import current
from headrace.cli.key_budgets import budget
from headrace.cli.options import DataDir, KeyId
from headrace.cli.terminal import console, shown
from headrace.errors import NotFound
from headrace.models import ApiKey
from headrace.store import keys as stored

keys = typer.Typer(
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Make, list and revoke API keys, in the database itself.",
)

Name = Annotated[str, typer.Argument(help="Whose it is.", show_default=False)]
Admin = Annotated[
    bool, typer.Option("--admin", help="It sees what all keys use and cost, and can do nothing else.")
]

keys.command("budget")(budget)


@keys.command()
def create(name: Name, data_dir: DataDir = None, admin: Admin = False) -> None:
    """Make a key, and print its secret: the only time that it can be seen."""
    with current(data_dir) as database, database.begin() as session:
        key, secret = stored.create(session, name, is_admin=admin)
    typer.echo(f"{key.id} is made; this is its secret, which is shown once:", err=True)
    typer.echo(secret)


@keys.command("list")
def list_keys(data_dir: DataDir = None) -> None:
    """List all keys, oldest first, without their secrets."""
    with current(data_dir) as database, database.read() as session:
        found = stored.list_all(session)
    table = Table("key", "name", "kind", "begins with", "made", "revoked", box=SIMPLE)
    table.columns[0].no_wrap = True
    for key in found:
        table.add_row(*_row(key))
    console.print(table)


@keys.command()
def revoke(key_id: KeyId, data_dir: DataDir = None) -> None:
    """Close a key for good."""
    with current(data_dir) as database, database.begin() as session:
        if not stored.revoke(session, key_id):
            raise NotFound(f"there is no live key {key_id}")
    typer.echo(f"{key_id} is revoked")


def _row(key: ApiKey) -> tuple[str, ...]:
    revoked = f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
    kind = "admin" if key.is_admin else ""
    return key.id, shown(key.name), kind, f"{key.prefix}…", f"{key.created_at:%Y-%m-%d}", revoked
