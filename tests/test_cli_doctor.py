"""`headrace doctor`: what it says, and what it finds of database, workers and jobs."""

import json
import threading
import time
from datetime import timedelta

from sqlalchemy import text, update

from headrace import clock, migrations
from headrace.db import Database
from headrace.doctor import Level, diagnose
from headrace.settings import Settings
from headrace.store import tables
from tests import servers
from tests.commands import in_process
from tests.doctoring import KEY, only
from tests.kinds import on_sqlite
from tests.listener import listening

pytest_plugins = ["tests.databases", "tests.doctor_fixtures"]


def test_all_is_well(surroundings, store, monkeypatch, capfd):  # noqa: ARG001
    status, said, told = in_process(monkeypatch, capfd, "doctor")

    assert (status, told) == (0, ""), said
    lines = said.splitlines()
    assert lines[-1] == "0 wrong, 0 warnings"
    assert {line.split()[0] for line in lines[:-2]} == {"ok"}
    for word in (
        "headrace 0.",
        "celery 5.",
        "version ",
        "Valkey 9.",
        "1 lives",
        "answers 200",
        "none is held",
    ):
        assert word in said
    assert ("PostgreSQL" in said) is (store.db.engine.dialect.name == "postgresql")
    assert KEY not in said


@on_sqlite
def test_what_is_wrong_comes_with_what_to_do(surroundings, store, monkeypatch, capfd):  # noqa: ARG001
    monkeypatch.setenv("HEADRACE_PROVIDER_KEY", "sk-another")

    status, said, _ = in_process(monkeypatch, capfd, "doctor")

    assert status == 1
    assert "\nwrong    provider default  http://" in said
    assert "answers 401" in said
    assert "-> correct HEADRACE_PROVIDER_KEY" in said
    assert said.endswith("1 wrong, 0 warnings\n")


def test_a_schema_that_is_absent_older_or_newer(doctor, database_url):
    subject, level, what, advice = doctor(database_url=database_url)[1][0].values()
    assert (subject, level, advice[-18:]) == ("database", "wrong", "`headrace migrate`"), what

    database = Database(database_url)
    migrations.upgrade(database.engine)
    for revision, level, word in (("0001", "wrong", "older"), ("9999", "warning", "newer")):
        with database.begin() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
        found = doctor(database_url=database_url)[1][0]
        assert (found["subject"], found["level"]) == ("database", level)
        assert f"is {word} than this version" in found["what"]
    database.close()


def test_a_database_that_takes_no_writes(doctor, postgresql_database_url):
    database = Database(postgresql_database_url)
    migrations.upgrade(database.engine)
    with database.begin() as session:
        name = database.engine.url.database
        session.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    database.close()

    status, findings = doctor(database_url=postgresql_database_url)

    assert status == 1
    assert "takes no writes" in findings[0]["what"]
    assert "HEADRACE_DATABASE_URL at the primary" in findings[0]["advice"]


@on_sqlite
def test_a_database_that_does_not_answer(doctor):
    nowhere = f"postgresql://nobody:secret-word@127.0.0.1:{servers.free_port()}/headrace"

    status, findings = doctor(database_url=nowhere)

    assert status == 1
    assert findings[0]["level"] == "wrong"
    assert "does not answer" in findings[0]["what"]
    assert {finding["subject"] for finding in findings} == {"database", "clock", "workers", "jobs"}
    assert "secret-word" not in json.dumps(findings)


def test_no_worker_lives(doctor, store):
    with store.db.begin() as session:
        session.execute(tables.workers.delete())

    status, findings = doctor()

    subject, level, what, advice = only(findings)
    assert (status, subject, level, what) == (1, "workers", "wrong", "none lives")
    assert "celery -A worker worker" in advice


@on_sqlite
def test_a_worker_on_a_host_with_a_wrong_clock_is_known_by_its_counter(doctor, store):
    row = tables.workers.c
    done = threading.Event()

    def beat():
        while not done.wait(0.2):
            with store.db.begin() as session:
                session.execute(update(tables.workers).values(counter=row.counter + 1))

    with store.db.begin() as session:
        session.execute(update(tables.workers).values(seen_at=clock.now() - timedelta(hours=1)))
    beating = threading.Thread(target=beat)
    beating.start()
    try:
        assert doctor() == (0, [])
    finally:
        done.set()
        beating.join()


def test_workers_of_several_versions(doctor, store):
    with store.db.begin() as session:
        session.execute(update(tables.workers).values(version="0.2.0"))
        values = {"id": "worker-2", "host": "here", "pid": 2, "counter": 0, "version": ""}
        session.execute(tables.workers.insert().values(**values, started_at=clock.now(), seen_at=clock.now()))

    status, findings = doctor()

    subject, level, what, _ = only(findings)
    assert (status, subject, level) == (0, "workers", "warning")
    assert "1 of 0.2.0" in what


def test_held_jobs_are_counted(doctor, store):
    store.batch(3)
    with store.db.begin() as session:
        session.execute(update(tables.jobs).where(tables.jobs.c.line < 3).values(state="held"))

    status, findings = doctor()

    assert (status, only(findings)[:3]) == (0, ("jobs", "warning", "2 are held and wait for a decision"))


@on_sqlite
def test_a_check_that_hangs_holds_up_no_other(surroundings, store, simulator):  # noqa: ARG001
    done = threading.Event()
    with listening(lambda _: done.wait(30)) as address:
        began = time.monotonic()
        findings = diagnose(Settings(provider_url=f"http://{address}/v1"), patience_seconds=3)
        took = time.monotonic() - began
        done.set()

    (bad,) = [finding for finding in findings if finding.level is not Level.OK]
    assert (bad.subject, bad.what) == ("provider default", "no answer within 3 s")
    assert 3 <= took < 9


@on_sqlite
def test_settings_that_make_no_sense_are_findings_too(doctor, tmp_path):
    (tmp_path / "headrace.toml").write_text("[quotas.q]\nprovider = 'nobody'\n[providers]\n")

    status, findings = doctor(redis_url="http://127.0.0.1", database_url="mysql://somewhere")

    assert status == 1
    assert {found["subject"] for found in findings} == {"configuration", "database", "broker"}
