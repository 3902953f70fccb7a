"""The schema's history (Alembic), and the two things done with it: upgrade, and ask where it stands."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

HERE = Path(__file__).parent
UPGRADE_LOCK = 4_870_210  # any constant: two processes that upgrade take turns


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest revision; safe to call from several processes at once."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(engine: Engine) -> bool:
    """Whether the schema is at the newest revision this code knows."""
    with engine.execution_options(headrace_read=True).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == _head()


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return config
