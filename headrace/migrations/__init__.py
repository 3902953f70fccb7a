"""The schema's history (Alembic), and the two things done with it: upgrade, and ask where it stands."""

from enum import Enum, auto
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

HERE = Path(__file__).parent
UPGRADE_LOCK = 4_870_210  # any constant: two processes that upgrade take turns


class Standing(Enum):
    """The schema of a database, beside the newest that this code knows."""

    ABSENT = auto()
    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest revision; safe to call from several processes at once.

    One that is newer than this code stays as it is: others are being upgraded already.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        if _is_newer(MigrationContext.configure(connection).get_current_revision()):
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


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
