"""Row 11: Redis killed and restarted empty, and FLUSHALL, under load."""

import time
from contextlib import ExitStack

import pytest
import redis

from headrace import dispatch
from tests import servers
from tests.batch_input import many
from tests.invariants import check
from tests.killing import reach
from tests.kinds import each_database_in_faults
from tests.pace import Limits
from tests.plant import KEY, Plant
from tests.simulated import eventually

pytest_plugins = ["tests.databases"]

RPM = 2400
JOBS = 500
BACK_SECONDS = 10.0


@pytest.fixture
def own_valkey(monkeypatch):
    """A Valkey that only this test uses."""
    with servers.valkey() as server:
        app = dispatch.make_app(f"{server.url}/0")
        monkeypatch.setattr(dispatch, "app", app)
        yield server
        app.close()


@pytest.fixture
def plant(store, own_valkey, tmp_path):
    with ExitStack() as cleanup:
        yield Plant(store, f"{own_valkey.url}/0", tmp_path, cleanup)


@each_database_in_faults
@pytest.mark.slow
@pytest.mark.parametrize("loss", ["flushed", "killed"])
def test_nothing_is_lost_with_redis_and_the_limits_hold(plant, own_valkey, loss):
    witness = plant.provider(latency_ms=100)
    for _ in range(2):
        plant.worker(rpm=RPM)
    batch_id = plant.submit(*many(JOBS))

    for share in (4, 2):
        reach(plant, batch_id, JOBS // share)
        if loss == "killed":
            own_valkey.kill()
            own_valkey.start()
        else:
            with redis.Redis.from_url(own_valkey.url) as client:
                client.flushall()
        goes_on(witness)

    plant.finished(batch_id)
    with redis.Redis.from_url(own_valkey.url) as client:
        account = check(
            plant.store.db,
            [witness],
            files=plant.settings.files_dir,
            redis=client,
            limits=Limits(rpm=RPM),
            logs=[plant.settings.data_dir / "worker.log"],
            secrets=[KEY, "你好"],
        )
    assert (account.succeeded, account.calls) == (JOBS, JOBS)


def goes_on(witness):
    """Calls are made again, beyond those that were booked before the loss."""
    lost_at = time.monotonic()
    booked_before = witness.count("received") + RPM * 3 // 60
    eventually(lambda: witness.count("received") > booked_before, 60)
    assert time.monotonic() - lost_at < BACK_SECONDS + 3
