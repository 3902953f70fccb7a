"""Row 12: Redis away for a minute under load: submissions are accepted, no call is made without limits."""

import json
import time
from functools import partial

import pytest
from pydantic import SecretStr

from headrace.client import Client
from headrace.db import Database
from headrace.embedded import Stack
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.states import BATCH_FINAL
from tests import servers
from tests.batch_input import many
from tests.invariants import check
from tests.pace import Limits
from tests.plant import KEY
from tests.simulated import eventually
from tests.witness import Witness

RPM = 1200
AWAY_SECONDS = 60.0
SETTLE_SECONDS = 10.0  # what was booked before goes at its time, two seconds ahead, or five late


@pytest.fixture
def valkey():
    with servers.valkey() as server:
        yield server


def submit(client, folder, count):
    path = folder / "input.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in many(count)))
    return client.create_batch(client.upload(path, path.name), "/v1/chat/completions", {}).id


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_while_redis_is_away_work_is_accepted_and_waits(database_url, valkey, tmp_path):
    log = tmp_path / "witness.jsonl"
    simulated = SimulatorProcess(SimulatorConfig(latency_ms=200, key=KEY, log=log))
    with simulated, Stack(settings(database_url, valkey, simulated, tmp_path), workers=2) as stack:
        stack.wait_ready()
        witness, client = Witness(simulated, log), Client(stack.base_url, stack.api_key)
        batches = [submit(client, tmp_path, 600)]
        eventually(lambda: client.batch(batches[0]).done > 50, 60)

        valkey.kill()
        time.sleep(SETTLE_SECONDS)
        before = witness.count("received")
        end = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < end:
            batches.append(submit(client, tmp_path, 5))
            time.sleep(3)
        assert witness.count("received") == before
        valkey.start()

        for batch_id in batches:
            eventually(partial(ended, client, batch_id), 120)
        client.close()
        db = Database(stack.settings.database)
        account = check(db, [witness], files=stack.settings.files_dir, limits=Limits(rpm=RPM))
        db.close()
    assert account.succeeded == account.jobs == 600 + 5 * (len(batches) - 1)
    assert account.extra_calls == 0


def ended(client, batch_id):
    return client.batch(batch_id).status in BATCH_FINAL


def settings(database_url, valkey, simulated, folder):
    return Settings(
        database_url=database_url,
        redis_url=f"{valkey.url}/0",
        data_dir=folder / "data",
        provider_url=simulated.base_url,
        provider_key=SecretStr(KEY),
        rpm=RPM,
    )
