"""Row 6: the release before this one works beside it, also while the schema is brought up to date."""

import json
from contextlib import ExitStack

import pytest
import requests
from pydantic import SecretStr
from sqlalchemy import select

from headrace import __version__, migrations
from headrace.db import Database
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.states import BatchStatus
from headrace.store import batches, tables, usage_hours, workers
from tests.batch_input import many
from tests.invariants import check
from tests.last_release import Yesterday
from tests.plant import KEY, Worker
from tests.simulated import eventually
from tests.witness import Witness, attempts_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
IN_FLIGHT = 8


class Site:
    """One database and one Redis, on which releases meet."""

    def __init__(self, database_url, redis_url, folder, cleanup):
        log = folder / "witness.jsonl"
        config = SimulatorConfig(latency_ms=200, key=KEY, log=log, max_in_flight=IN_FLIGHT)
        self.witness = Witness(cleanup.enter_context(SimulatorProcess(config)), log)
        self.settings = Settings(
            database_url=database_url,
            redis_url=redis_url,
            data_dir=folder / "data",
            provider_url=self.witness.base_url,
            provider_key=SecretStr(KEY),
            max_in_flight=IN_FLIGHT,
        )
        self.yesterday = Yesterday(folder / "yesterday", self.settings)
        self.yesterday.headrace("migrate")
        self.key = self.yesterday.headrace("keys", "create", "somebody").split()[-1]
        self.db = Database(database_url)
        cleanup.callback(self.db.close)
        self._log = folder / "workers.log"
        self._cleanup = cleanup

    def worker(self, **home):
        """One of today, or of the `home` that is given; returns when it works."""
        worker = Worker(self.settings, self._log, **home)
        self._cleanup.callback(worker.kill)
        eventually(lambda: worker.id in self._alive() or worker.process.poll() is not None, 60)
        assert worker.process.poll() is None, self._log.read_text()
        return worker

    def submit(self, api, count):
        """A batch, through an API as a client does."""
        session = requests.Session()
        session.headers["authorization"] = f"Bearer {self.key}"
        with session:
            content = "\n".join(map(json.dumps, many(count)))
            files = {"file": ("in.jsonl", content)}
            file = session.post(f"{api}/v1/files", data={"purpose": "batch"}, files=files, timeout=30)
            wanted = {"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions"}
            wanted["completion_window"] = "24h"
            batch = session.post(f"{api}/v1/batches", json=wanted, timeout=30)
        return batch.json()["id"]

    def at_work_on(self, batch_id):
        """The workers that have called for it."""
        return {attempt.worker_id for attempt in attempts_of(self.db, batch_id).values()}

    def versions(self):
        """What the workers say of themselves; the first release said nothing."""
        row = tables.workers.c
        with self.db.read() as session:
            return dict(session.execute(select(row.id, row.version)).all())

    def completed(self, batch_id):
        eventually(lambda: self._status(batch_id) == BatchStatus.COMPLETED, 60)

    def _status(self, batch_id):
        with self.db.read() as session:
            batch = batches.get(session, batch_id)
        return batch and batch.status

    def _alive(self):
        with self.db.read() as session:
            return workers.counters(session)


@pytest.fixture(params=["postgresql", pytest.param("sqlite", marks=pytest.mark.faults)])
def site(request, redis_client_url, tmp_path):
    with ExitStack() as cleanup:
        yield Site(
            request.getfixturevalue(f"{request.param}_database_url"), redis_client_url, tmp_path, cleanup
        )


def test_yesterdays_processes_go_on_beside_todays_while_the_schema_is_migrated(site):
    old = {"home": site.yesterday.home}
    with site.yesterday.api() as api:
        first = site.worker(**old)
        migrated = site.submit(api, 150)
        eventually(lambda: site.witness.count("received") > 5, 30)
        assert migrations.standing(site.db.engine) is migrations.Standing.OLDER
        migrations.upgrade(site.db.engine)
        assert migrations.standing(site.db.engine) is migrations.Standing.CURRENT
        assert site.at_work_on(migrated) == {first.id}

        today = site.worker()
        assert site.versions() == {first.id: "", today.id: __version__}
        shared = site.submit(api, 150)
        eventually(lambda: site.at_work_on(shared) >= {first.id, today.id}, 60)
    assert first.stop() == 0
    second = site.worker(**old)  # on a schema that it does not know
    site.completed(migrated)
    site.completed(shared)
    assert (second.stop(), today.stop()) == (0, 0)

    calls = site.witness.calls()
    assert {call.status for call in calls} == {200}
    with site.db.begin() as session:  # `headrace usage --rebuild`: yesterday's processes knew of no sums
        usage_hours.rebuild(session)
    account = check(site.db, [site.witness], files=site.settings.files_dir)
    assert (account.jobs, account.succeeded, account.extra_calls) == (300, 300, 0)
