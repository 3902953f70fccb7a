"""The database of a headrace, for the commands that look into it without its API."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.cli.options import settings_of
from headrace.db import Database
from headrace.doctor.database import absent
from headrace.errors import ConfigurationError
from headrace.migrations import is_current


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Database]:
    """The configured database, whatever its schema."""
    database = Database(settings_of(data_dir).database)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def current(data_dir: Path | None) -> Iterator[Database]:
    """The configured database, with the schema of this version, or else ConfigurationError."""
    if missing := absent(settings_of(data_dir).database):
        raise ConfigurationError(f"{missing.what}: {missing.advice}")
    with opened(data_dir) as database:
        if not is_current(database.engine):
            raise ConfigurationError(
                "the database has not the schema of this version: run `headrace migrate`"
            )
        yield database
