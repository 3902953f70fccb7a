"""`headrace doctor` beside a broker, a disk, a clock and providers that are not well."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from pydantic import SecretStr

from headrace import clock
from headrace.broker import BEAT_KEY
from headrace.config import Provider
from headrace.doctor import Level, clocks
from headrace.doctor.provider import look_at_provider
from tests import servers
from tests.doctoring import KEY, only
from tests.kinds import on_sqlite
from tests.listener import listening

pytest_plugins = ["tests.databases", "tests.doctor_fixtures"]


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


@on_sqlite
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


@on_sqlite
def test_a_broker_that_became_a_replica(doctor, spoilt):
    with spoilt() as (url, client):
        client.replicaof("127.0.0.1", servers.free_port())
        status, findings = doctor(redis_url=url)
        client.replicaof("NO", "ONE")

    assert status == 1
    found = [finding["what"] for finding in findings if finding["level"] == "wrong"]
    assert any("read-only replica" in what for what in found)


@on_sqlite
def test_a_broker_that_is_not_there(doctor):
    status, findings = doctor(redis_url=f"redis://127.0.0.1:{servers.free_port()}/0")

    assert status == 1
    assert "does not answer (ConnectionError)" in findings[0]["what"]
    assert [finding["subject"] for finding in findings] == ["broker", "beat", "clock"]


@on_sqlite
def test_without_beat_there_is_a_warning(doctor, redis_client_url):
    with redis.Redis.from_url(redis_client_url) as client:
        client.delete(BEAT_KEY)

    status, findings = doctor()

    assert (status, only(findings)[:2]) == (0, ("beat", "warning"))


@on_sqlite
def test_a_clock_that_is_wrong(doctor, monkeypatch):
    monkeypatch.setattr(clocks, "host", lambda: clock.host() - timedelta(hours=1))

    status, findings = doctor()

    subject, level, what, advice = only(findings)
    assert (status, subject, level) == (0, "clock", "warning")
    assert "behind Redis" in what
    assert "NTP" in advice


@on_sqlite
def test_a_folder_that_cannot_be_written(doctor, tmp_path):
    (tmp_path / "file").write_text("where a folder should be")

    status, findings = doctor(data_dir=tmp_path / "file/data")

    subject, level, what, advice = next(map(only, [[found] for found in findings]))
    assert (status, subject, level) == (1, "disk", "wrong")
    assert "cannot be written: Not a directory" in what
    assert "HEADRACE_DATA_DIR" in advice


@on_sqlite
def test_a_folder_that_is_missing_is_told_and_not_made(doctor, tmp_path):
    status, findings = doctor(data_dir=tmp_path / "some/where")

    subject, level, what, advice = only(findings)
    assert (status, subject, level) == (0, "disk", "warning")
    assert f"{tmp_path}/some/where is not there yet" in what
    assert "HEADRACE_DATA_DIR" in advice
    assert not (tmp_path / "some").exists()


@on_sqlite
def test_a_database_that_is_missing_is_told_and_not_made(doctor, tmp_path):
    status, findings = doctor(database_url=f"sqlite:///{tmp_path}/some/where.db", data_dir=tmp_path / "some")

    assert status == 1
    assert [(found["subject"], found["level"]) for found in findings] == [
        ("database", "wrong"),
        ("disk", "warning"),
    ]
    assert "headrace migrate" in findings[0]["advice"]
    assert not (tmp_path / "some").exists()


@on_sqlite
def test_a_disk_with_less_room_than_wanted(doctor):
    status, findings = doctor(min_free_bytes=10**18)

    assert status == 1
    assert [(found["subject"], found["level"]) for found in findings] == [
        ("database", "wrong"),
        ("disk", "wrong"),
    ]
    assert all("HEADRACE_MIN_FREE_BYTES" in found["what"] for found in findings)
    assert "where the database lies" in findings[0]["what"]


@on_sqlite
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


@on_sqlite
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


@on_sqlite
@pytest.mark.parametrize("key", ["sk-of\r\ntwo", "sk-of two", "sk-…"])
def test_a_key_that_cannot_be_one_is_named_and_not_shown(doctor, key):
    status, findings = doctor(provider_key=key)

    subject, level, what, _ = only(findings)
    assert (status, subject, level) == (1, "configuration", "wrong")
    assert "HEADRACE_PROVIDER_KEY" in what
    assert "sk-" not in what


@pytest.mark.parametrize("key", ["sk-of\r\ntwo", "sk-…"])
def test_a_request_that_cannot_be_made_is_named_by_its_kind_alone(simulator, key):
    provider = Provider(name="it", base_url=simulator.base_url, key=SecretStr(key))

    (found,) = look_at_provider(provider)

    assert (found.subject, found.level) == ("provider it", Level.WRONG)
    assert found.what in (
        "no request can be made: InvalidHeader",
        "no request can be made: UnicodeEncodeError",
    )


@on_sqlite
def test_a_provider_without_a_list_of_models_is_fine(doctor, simulator):
    assert doctor(provider_url=simulator.base_url.replace("/v1", "/other/v1")) == (0, [])


@on_sqlite
def test_openai_without_a_key(doctor, monkeypatch):
    monkeypatch.delenv("HEADRACE_PROVIDER_URL")
    monkeypatch.delenv("HEADRACE_PROVIDER_KEY")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    status, findings = doctor()

    assert status == 1
    assert only(findings)[3] == "set HEADRACE_PROVIDER_KEY or OPENAI_API_KEY"
