"""Workers as processes, with a simulated provider and its witness log, without the API."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import update

from headrace import dispatch
from headrace.clock import now
from headrace.embedded import leash
from headrace.embedded.environment import variables
from headrace.ids import new_id
from headrace.models import Batch
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.states import BATCH_FINAL
from headrace.store import tables, workers
from tests.batch_input import given
from tests.scene import Scene
from tests.simulated import eventually
from tests.witness import Witness

ROOT = Path(__file__).parent.parent
CELERY = [sys.executable, "-m", "celery", "-A", "worker", "worker"]
ALONE = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
KEY = "sk-the-providers-key"
NOWHERE = "http://127.0.0.1:9/v1"


class Worker:
    """One `celery -A worker worker -P gevent`. It does not outlive the tests."""

    def __init__(
        self,
        settings: Settings,
        log: Path,
        *,
        pool: str = "gevent",
        failpoints: str = "",
        seed: int = 0,
        home: Path = ROOT,
    ) -> None:
        """`failpoints` as in HEADRACE_FAILPOINTS, for this process alone; `home` is where its code lies."""
        self.id = new_id("worker_")
        self.log = log
        faults = {"HEADRACE_FAILPOINTS": failpoints, "HEADRACE_FAILPOINTS_SEED": str(seed)}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, leash.__file__, str(os.getpid()), *CELERY, "-P", pool, *ALONE],
                cwd=home,
                env=variables(settings) | {"HEADRACE_WORKER_ID": self.id, "PYTHONPATH": str(home)} | faults,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL. Harmless when it has ended."""
        self.process.kill()
        self.process.wait(10)


class Plant:
    """Workers on one database and one Valkey, whose wake-ups must go to the same (fixture `hints`)."""

    def __init__(self, store: Scene, redis_url: str, folder: Path, cleanup: ExitStack) -> None:
        url = store.db.engine.url.render_as_string(hide_password=False)
        self.store = store
        self.settings = Settings(database_url=url, redis_url=redis_url, data_dir=folder, provider_url=NOWHERE)
        self._cleanup = cleanup

    def provider(self, **config: Any) -> Witness:
        """Start a simulator; workers that are started later call it."""
        log = self.settings.data_dir / "witness.jsonl"
        started = SimulatorProcess(SimulatorConfig(**{"latency_ms": 20.0, "key": KEY, "log": log, **config}))
        simulator = self._cleanup.enter_context(started)
        self.settings = self.settings_with(provider_url=simulator.base_url)
        return Witness(simulator, log)

    def worker(self, *, failpoints: str = "", seed: int = 0, **settings: Any) -> Worker:
        """Start a worker; returns when it works. `settings` and `failpoints` are for it alone."""
        worker = self.start(failpoints=failpoints, seed=seed, **settings)
        eventually(lambda: worker.id in self._alive() or worker.process.poll() is not None, 30)
        assert worker.process.poll() is None, worker.log.read_text()
        return worker

    def start(self, *, failpoints: str = "", seed: int = 0, **settings: Any) -> Worker:
        """Start a worker; returns at once."""
        chosen = self.settings_with(**{"provider_key": KEY, "call_timeout_seconds": 10.0, **settings})
        log = self.settings.data_dir / "worker.log"
        worker = Worker(chosen, log, failpoints=failpoints, seed=seed)
        self._cleanup.callback(worker.kill)
        return worker

    def submit(self, *lines: Any, endpoint: str = "/v1/chat/completions") -> str:
        """A batch of these lines, and a word to the workers."""
        batch_id = given(self.store, self.settings, *lines)
        self.store.set_batch(batch_id, endpoint=endpoint)
        dispatch.wake_ingest(batch_id)
        return batch_id

    def finished(self, batch_id: str, seconds: float = 60) -> Batch:
        """The batch, when it is final."""
        eventually(lambda: self.store.batch_row(batch_id).status in BATCH_FINAL, seconds)
        return self.store.batch_row(batch_id)

    def let_time_pass(self) -> None:
        """Every waiting job is due."""
        with self.store.db.begin() as session:
            session.execute(update(tables.jobs).where(tables.jobs.c.state == "queued").values(run_at=now()))

    def settings_with(self, **settings: Any) -> Settings:
        """Those of this plant, but for these."""
        known = {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        return Settings(**{**known, **settings})

    def _alive(self) -> dict[str, int]:
        with self.store.db.read() as session:
            return workers.counters(session)
