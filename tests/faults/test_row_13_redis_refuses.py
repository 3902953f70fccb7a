"""Row 13: Redis is full, read-only, or has another password than we know."""

import time
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest
import redis
import requests

from headrace import dispatch
from headrace.doctor import Level, diagnose
from headrace.limits import HORIZON_SECONDS
from tests import servers
from tests.api_server import DEADLINE_SECONDS, serving
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import on_sqlite
from tests.pace import Limits
from tests.plant import Plant
from tests.simulated import eventually
from worker.flights import LATE_SECONDS

pytest_plugins = ["tests.databases"]

RPM = 1200
JOBS = 300
OTHER = "another-password"
NOWHERE = "http://127.0.0.1:1/v1"
BOOKED_SECONDS = HORIZON_SECONDS + LATE_SECONDS + 0.5  # so late may calls go that are booked already


class Broken(NamedTuple):
    """A Redis that refuses to be written, and what is said of it."""

    reason: str


@contextmanager
def read_only(client, _url):
    client.replicaof("127.0.0.1", servers.free_port())
    yield Broken("is a read-only replica")
    client.replicaof("NO", "ONE")


@contextmanager
def full(client, _url):
    client.config_set("maxmemory", "1mb")
    yield Broken("is full and refuses writes")
    client.config_set("maxmemory", "0")


@contextmanager
def wrong_password(client, url):
    client.config_set("requirepass", OTHER)
    with redis.Redis.from_url(url, password=OTHER) as known:
        known.client_kill_filter(_type="normal", skipme=True)
        yield Broken("refuses the password")
        known.config_set("requirepass", "")


@pytest.fixture
def own_plant(store, tmp_path, monkeypatch):
    """Workers with a Valkey that no other test needs."""
    with servers.valkey() as server, ExitStack() as cleanup:
        url = f"{server.url}/0"
        app = dispatch.make_app(url)
        monkeypatch.setattr(dispatch, "app", app)
        yield Plant(store, url, tmp_path, cleanup)
        app.close()


@on_sqlite
@pytest.mark.parametrize(
    "fault",
    [
        full,
        pytest.param(read_only, marks=pytest.mark.faults),
        pytest.param(wrong_password, marks=pytest.mark.faults),
    ],
)
def test_a_redis_that_refuses_is_told_and_stops_calls_until_it_is_repaired(own_plant, fault):
    plant, url = own_plant, own_plant.settings.redis_url
    witness = plant.provider(rpm=RPM)
    worker = plant.worker(rpm=RPM)
    batch_id = plant.submit(*many(JOBS))
    eventually(lambda: witness.count("received") > 5, 30)

    with redis.Redis.from_url(url) as client, serving(plant.settings) as api, fault(client, url) as broken:
        time.sleep(BOOKED_SECONDS)
        before = witness.count("received")
        told = requests.get(f"{api}/readyz", timeout=DEADLINE_SECONDS)
        found = diagnose(plant.settings_with(provider_url=NOWHERE))  # the witness hears no more

        assert told.status_code == 503
        assert broken.reason in told.json()["checks"]["redis"]
        wrong = [finding.what for finding in found if finding.level is Level.WRONG]
        assert any(broken.reason in what for what in wrong)
        assert witness.count("received") == before < JOBS
        assert worker.process.poll() is None

    assert plant.finished(batch_id, 90).succeeded == JOBS
    assert worker.process.poll() is None
    account = check(
        plant.store.db, [witness], files=plant.settings.files_dir, limits=Limits(rpm=RPM), logs=[worker.log]
    )
    assert account.extra_calls == 0
