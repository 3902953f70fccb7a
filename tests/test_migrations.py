"""The migrated schema is the one the models describe, from whichever side and by how many it is reached."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

import headrace.migrations
from headrace.clock import now
from headrace.db import Database
from headrace.migrations import is_current, upgrade

ROOT = Path(__file__).parent.parent
UPGRADE = (
    "import sys; from headrace import db, migrations; migrations.upgrade(db.Database(sys.argv[1]).engine)"
)


@pytest.fixture
def db(database_url):
    opened = Database(database_url)
    yield opened
    opened.close()


def downgrade(engine):
    config = Config()
    config.set_main_option("script_location", str(Path(headrace.migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def drawn(engine):
    """All that the database knows of its tables, as one comparable value."""
    inspector = sqlalchemy.inspect(engine)
    return {
        table: {
            "columns": list(map(plain, inspector.get_columns(table))),
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(inspector.get_foreign_keys(table), key=str),
            "checks": sorted(inspector.get_check_constraints(table), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "indexes": sorted(map(plain, inspector.get_indexes(table)), key=str),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def plain(described):
    """With types and conditions as text, for their objects compare by identity."""
    options = {name: str(value) for name, value in described.get("dialect_options", {}).items()}
    return {**described, "type": repr(described.get("type")), "dialect_options": options}


def test_a_database_is_current_after_its_upgrade_and_not_before(db):
    assert not is_current(db.engine)

    upgrade(db.engine)

    assert is_current(db.engine)


def test_a_second_upgrade_changes_nothing(db):
    upgrade(db.engine)
    before = drawn(db.engine)

    upgrade(db.engine)

    assert is_current(db.engine)
    assert drawn(db.engine) == before


def test_the_models_and_the_migrated_schema_do_not_differ(db):
    upgrade(db.engine)

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_checks_and_partial_indexes_are_those_of_the_models_too(db):
    upgrade(db.engine)
    migrated = drawn(db.engine)
    downgrade(db.engine)

    SQLModel.metadata.create_all(db.engine)

    assert drawn(db.engine) == migrated
    assert {check["name"] for table in migrated.values() for check in table["checks"]} >= {
        "job_state",
        "job_finished",
        "job_lease",
        "batch_counts",
        "attempt_landed",
    }


def test_the_last_downgrade_leaves_no_table(db):
    upgrade(db.engine)

    downgrade(db.engine)

    assert not is_current(db.engine)
    assert set(sqlalchemy.inspect(db.engine).get_table_names()) <= {"alembic_version"}
    upgrade(db.engine)
    assert is_current(db.engine)


def test_threads_that_upgrade_at_once_take_turns(database_url):
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(len(databases)) as pool:
        for upgraded in [pool.submit(upgrade, db.engine) for db in databases]:
            upgraded.result(60)

    assert all(is_current(db.engine) for db in databases)
    for db in databases:
        db.close()


def test_processes_that_upgrade_at_once_take_turns(database_url, db):
    processes = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, database_url], cwd=ROOT, stderr=subprocess.PIPE)
        for _ in range(2)
    ]

    assert [process.communicate(timeout=60)[1] for process in processes] == [b""] * 2
    assert [process.returncode for process in processes] == [0] * 2
    assert is_current(db.engine)


def set_revision(db, revision):
    with db.engine.begin() as connection:
        changed = sqlalchemy.text("UPDATE alembic_version SET version_num = :revision")
        connection.execute(changed, {"revision": revision})


def test_a_database_of_a_later_version_serves_and_is_left_as_it_is(db):
    upgrade(db.engine)
    set_revision(db, "9999")

    assert is_current(db.engine)
    upgrade(db.engine)

    with db.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "9999"


def test_a_database_of_an_earlier_version_does_not_serve(db):
    upgrade(db.engine)
    set_revision(db, "0001")

    assert not is_current(db.engine)


def test_the_version_before_can_write_its_rows_into_the_newer_schema(db):
    upgrade(db.engine)
    with db.engine.begin() as connection:
        known = "id, host, pid, counter, started_at, seen_at"
        moment = now() if db.engine.dialect.name == "postgresql" else 0
        connection.execute(
            sqlalchemy.text(f"INSERT INTO workers ({known}) VALUES ('w', 'h', 1, 0, :at, :at)"),
            {"at": moment},
        )
        assert connection.execute(sqlalchemy.text("SELECT version FROM workers")).scalar_one() == ""
