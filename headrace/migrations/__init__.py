"""The schema's history (Alembic), and the two things done with it: upgrade, and ask where it stands."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from headrace.errors import Unavailable

HERE = Path(__file__).parent
UPGRADE_LOCK = 4_870_210  # any constant: two processes that upgrade take turns
TURN_SECONDS = 3600.0  # an index of a large table takes its time
TURN_PAUSE_SECONDS = 0.5


class Standing(Enum):
    """The schema of a database, beside the newest that this code knows."""

    ABSENT = auto()
    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest revision; safe to call from several processes at once.

    One that is newer than this code stays as it is: others are being upgraded already. On PostgreSQL it may
    be in use meanwhile, and an upgrade that was interrupted goes on. Raises Unavailable.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection, _turn(connection):
            _upgrade(connection)
    else:
        with engine.begin() as connection:
            _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if connection.dialect.name == "postgresql":
        connection.rollback()  # Alembic shall have its own transactions
    if _is_newer(revision):
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _turn(connection: Connection) -> Iterator[None]:
    """Only we upgrade. Who waits for it asks now and then: an index waits for all who wait in a statement."""
    give_up = time.monotonic() + TURN_SECONDS
    while not _ask(connection, "pg_try_advisory_lock"):
        if time.monotonic() > give_up:
            raise Unavailable("another process upgrades this database, and does not come to its end")
        time.sleep(random.uniform(0.5, 1) * TURN_PAUSE_SECONDS)
    try:
        yield
    finally:
        if not connection.invalidated:  # else the lock went with it
            connection.rollback()
            _ask(connection, "pg_advisory_unlock")


def _ask(connection: Connection, function: str) -> bool:
    answer = bool(connection.execute(text(f"SELECT {function}(:key)"), {"key": UPGRADE_LOCK}).scalar_one())
    connection.rollback()  # the lock is the session's
    return answer


def is_current(engine: Engine) -> bool:
    """Whether this code can work with the schema: it is the newest that this code knows, or newer.

    Migrations first add, and take away only what the version before does not use, so that processes can be
    replaced one after another.
    """
    return standing(engine) in (Standing.CURRENT, Standing.NEWER)


def standing(engine: Engine) -> Standing:
    """Where the schema stands."""
    with engine.execution_options(headrace_read=True).connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        return Standing.ABSENT
    if _is_newer(revision):
        return Standing.NEWER
    return Standing.CURRENT if revision == _script().get_current_head() else Standing.OLDER


def _is_newer(revision: str | None) -> bool:
    """A revision that this code does not know was made after it."""
    return revision is not None and revision not in {known.revision for known in _script().walk_revisions()}


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return config
