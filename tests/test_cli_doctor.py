"""`headrace doctor`, beside real parts that are well and that are not."""

import json
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from sqlalchemy import text, update

from headrace import clock, migrations
from headrace.broker import BEAT_KEY
from headrace.db import Database
from headrace.doctor import Level, clocks, diagnose
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.store import tables
from tests import servers
from tests.commands import in_process
from tests.listener import listening

pytest_plugins = ["tests.databases"]

KEY = "sk-the-providers-key"
on_one_database = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(key=KEY)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def own_valkey():
    with servers.valkey() as server:
        yield server


@pytest.fixture
def spoilt(own_valkey):
    """Its URL, with a setting or a role that it should not have, for the length of a block."""

    @contextmanager
    def spoilt(**settings):
        with redis.Redis.from_url(own_valkey.url) as client:
            good = {name: client.config_get(name)[name] for name in settings}
            for name, value in settings.items():
                client.config_set(name, value)
            yield own_valkey.url, client
            for name, value in good.items():
                client.config_set(name, value)

    return spoilt


@pytest.fixture
def surroundings(store, redis_client_url, simulator, tmp_path, monkeypatch):
    """The environment of processes that are all well, in a folder without a configuration file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_DATABASE_URL", store.db.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HEADRACE_REDIS_URL", redis_client_url)
    monkeypatch.setenv("HEADRACE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HEADRACE_PROVIDER_URL", simulator.base_url)
    monkeypatch.setenv("HEADRACE_PROVIDER_KEY", KEY)
    with redis.Redis.from_url(redis_client_url) as client:
        client.set(BEAT_KEY, "1")


@pytest.fixture
def doctor(surroundings, monkeypatch, capfd):  # noqa: ARG001
    """Runs it with these settings changed; its exit status, and all that it does not find in order."""

    def doctor(**changed):
        for name, value in changed.items():
            monkeypatch.setenv(f"HEADRACE_{name.upper()}", str(value))
        status, said, told = in_process(monkeypatch, capfd, "doctor", "--json")
        assert told == ""
        report = json.loads(said)
        assert report["ok"] is (status == 0)
        return status, [finding for finding in report["findings"] if finding["level"] != "ok"]

    return doctor


def only(findings):
    """The one thing that is not in order, and what to do about it."""
    (finding,) = findings
    return finding["subject"], finding["level"], finding["what"], finding["advice"]


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


@on_one_database
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


@on_one_database
def test_a_database_that_does_not_answer(doctor):
    nowhere = f"postgresql://nobody:secret-word@127.0.0.1:{servers.free_port()}/headrace"

    status, findings = doctor(database_url=nowhere)

    assert status == 1
    assert findings[0]["level"] == "wrong"
    assert "does not answer" in findings[0]["what"]
    assert {finding["subject"] for finding in findings} == {"database", "clock", "workers", "jobs"}
    assert "secret-word" not in json.dumps(findings)


@on_one_database
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"requirepass": "other"}, ("refuses the password", "HEADRACE_REDIS_URL")),
        ({"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}, ("allkeys-lru", "noeviction")),
        ({"maxmemory": "1mb", "maxmemory-policy": "noeviction"}, ("is full", "raise its maxmemory")),
    ],
)
def test_a_broker_that_is_not_set_right(doctor, spoilt, settings, words):
    with spoilt(**settings) as (url, _):
        status, findings = doctor(
            redis_url=url.replace("//", "//:wrong@") if "requirepass" in settings else url
        )

    assert status == 1
    found = next(finding for finding in findings if finding["level"] == "wrong")
    assert found["subject"] == "broker"
    assert words[0] in found["what"]
    assert words[1] in found["advice"]


@on_one_database
def test_a_broker_that_became_a_replica(doctor, spoilt):
    with spoilt() as (url, client):
        client.replicaof("127.0.0.1", servers.free_port())
        status, findings = doctor(redis_url=url)
        client.replicaof("NO", "ONE")

    assert status == 1
    found = [finding["what"] for finding in findings if finding["level"] == "wrong"]
    assert any("read-only replica" in what for what in found)


@on_one_database
def test_a_broker_that_is_not_there(doctor):
    status, findings = doctor(redis_url=f"redis://127.0.0.1:{servers.free_port()}/0")

    assert status == 1
    assert "does not answer (ConnectionError)" in findings[0]["what"]
    assert [finding["subject"] for finding in findings] == ["broker", "beat", "clock"]


@on_one_database
def test_without_beat_there_is_a_warning(doctor, redis_client_url):
    with redis.Redis.from_url(redis_client_url) as client:
        client.delete(BEAT_KEY)

    status, findings = doctor()

    assert (status, only(findings)[:2]) == (0, ("beat", "warning"))


@on_one_database
def test_a_clock_that_is_wrong(doctor, monkeypatch):
    monkeypatch.setattr(clocks, "host", lambda: clock.host() - timedelta(hours=1))

    status, findings = doctor()

    subject, level, what, advice = only(findings)
    assert (status, subject, level) == (0, "clock", "warning")
    assert "behind Redis" in what
    assert "NTP" in advice


@on_one_database
def test_a_folder_that_cannot_be_written(doctor, tmp_path):
    (tmp_path / "file").write_text("where a folder should be")

    status, findings = doctor(data_dir=tmp_path / "file/data")

    subject, level, what, advice = next(map(only, [[found] for found in findings]))
    assert (status, subject, level) == (1, "disk", "wrong")
    assert "cannot be written: Not a directory" in what
    assert "HEADRACE_DATA_DIR" in advice


@on_one_database
def test_a_disk_with_less_room_than_wanted(doctor):
    status, findings = doctor(min_free_bytes=10**18)

    subject, level, what, _ = only(findings)
    assert (status, subject, level) == (1, "disk", "wrong")
    assert "HEADRACE_MIN_FREE_BYTES" in what


@on_one_database
def test_answers_that_wait_in_the_spool(doctor, tmp_path):
    spool = tmp_path / "data/spool"
    spool.mkdir(parents=True)
    (spool / "spool_1.jsonl").write_text("{}\n")
    (spool / "spool_2.jsonl").write_text("")  # that of a worker with nothing to write
    (spool / "att_1.rejected").write_text("{}\n")

    status, findings = doctor()

    assert status == 0
    assert {(found["subject"], found["level"]) for found in findings} == {("spool", "warning")}
    assert [found["what"].partition(",")[0] for found in findings] == [
        "1 file of answers that are not in the database yet",
        "1 file of answers that the database cannot take are kept",
    ]


@on_one_database
@pytest.mark.parametrize(
    ("url", "key", "word"),
    [
        ("{url}", "sk-a-wrong-one", "the key is wrong"),
        ("http://127.0.0.1:{free_port}/v1", KEY, "cannot be reached"),
        ("http://no-such-host.invalid/v1", KEY, "cannot be reached"),
        ("https://{no_tls}/v1", KEY, "SSL"),
    ],
)
def test_a_provider_that_cannot_be_used(doctor, simulator, url, key, word):
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as no_tls:
        url = url.format(url=simulator.base_url, free_port=servers.free_port(), no_tls=no_tls)

        status, findings = doctor(provider_url=url, provider_key=key)

    subject, level, what, _ = only(findings)
    assert (status, subject, level) == (1, "provider default", "wrong")
    assert word in what
    assert key not in what


@on_one_database
def test_a_provider_without_a_list_of_models_is_fine(doctor, simulator):
    assert doctor(provider_url=simulator.base_url.replace("/v1", "/other/v1")) == (0, [])


@on_one_database
def test_openai_without_a_key(doctor, monkeypatch):
    monkeypatch.delenv("HEADRACE_PROVIDER_URL")
    monkeypatch.delenv("HEADRACE_PROVIDER_KEY")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    status, findings = doctor()

    assert status == 1
    assert only(findings)[3] == "set HEADRACE_PROVIDER_KEY or OPENAI_API_KEY"


def test_no_worker_lives(doctor, store):
    with store.db.begin() as session:
        session.execute(tables.workers.delete())

    status, findings = doctor()

    subject, level, what, advice = only(findings)
    assert (status, subject, level, what) == (1, "workers", "wrong", "none lives")
    assert "celery -A worker worker" in advice


@on_one_database
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


@on_one_database
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


@on_one_database
def test_settings_that_make_no_sense_are_findings_too(doctor, tmp_path):
    (tmp_path / "headrace.toml").write_text("[quotas.q]\nprovider = 'nobody'\n[providers]\n")

    status, findings = doctor(redis_url="http://127.0.0.1", database_url="mysql://somewhere")

    assert status == 1
    assert {found["subject"] for found in findings} == {"configuration", "database", "broker"}
