"""`headrace migrate`: the database brought to the schema of this version."""

import typer

from headrace.cli.database import opened
from headrace.cli.options import DataDir
from headrace.migrations import upgrade


def migrate(data_dir: DataDir = None) -> None:
    """Create or upgrade the tables. `up` and `run` do so by themselves; it is safe to run twice."""
    with opened(data_dir) as database:
        upgrade(database.engine)
    typer.echo("the database is up to date")
