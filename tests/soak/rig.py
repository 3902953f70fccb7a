"""What a soak runs: a whole stack with its own Valkey and database, and a provider behind a bad network."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from headrace.client import Client
from headrace.db import Database
from headrace.embedded import Stack
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests import servers
from tests.chaos import ChaosProxy
from tests.server_process import Server
from tests.witness import Witness

KEY = "sk-canary-of-the-provider-b2f1"
CANARY = "canary-of-a-prompt-77c0"
RPM = 1200
TPM = 190_000  # binds about as much
MORTAL_WORKERS = ("worker-1", "worker-2")
WORKERS = (*MORTAL_WORKERS, "worker-3")
SPARED = ("worker-3", "beat")  # never killed: they live as long as the soak
LEASE_SECONDS = 12.0
FAULTS = (
    ("500", 0.03),
    ("429", 0.001),  # each halves the pace for a while: were there more, no limit would ever bind
    ("503", 0.001),
    ("cut", 0.01),
    ("reset", 0.01),
    ("timeout", 0.005),
    ("slow", 0.02),
    ("garbage", 0.005),
)


@dataclass(frozen=True)
class Rig:
    """All of it, running. `postgres` is None on SQLite."""

    stack: Stack
    client: Client
    db: Database
    valkey: Server
    postgres: Server | None
    network: ChaosProxy
    witness: Witness
    folder: Path

    @property
    def redis_url(self) -> str:
        """Where the limits and the hints are."""
        return f"{self.valkey.url}/0"


@contextmanager
def rig(database: str, folder: Path, seed: int) -> Iterator[Rig]:
    """A stack that is ready. Everything that runs ends with the block."""
    with ExitStack() as cleanup:
        valkey = cleanup.enter_context(servers.valkey())
        postgres = cleanup.enter_context(servers.postgres()) if database == "postgresql" else None
        log = folder / "witness.jsonl"
        config = SimulatorConfig(
            latency_ms=300, latency_spread=0.9, faults=FAULTS, seed=seed, hang_seconds=10, key=KEY, log=log
        )
        simulator = cleanup.enter_context(SimulatorProcess(config))
        network = cleanup.enter_context(ChaosProxy.before(simulator.base_url))
        settings = _settings(folder, valkey, postgres, network.through(simulator.base_url))
        stack = cleanup.enter_context(Stack(settings, workers=len(WORKERS)))
        stack.wait_ready()
        client = Client(stack.base_url, stack.api_key)
        cleanup.callback(client.close)
        db = Database(stack.settings.database)
        cleanup.callback(db.close)
        yield Rig(stack, client, db, valkey, postgres, network, Witness(simulator, log), folder)


def _settings(folder: Path, valkey: Server, postgres: Server | None, provider_url: str) -> Settings:
    values: dict[str, Any] = {
        "data_dir": folder / "data",
        "redis_url": f"{valkey.url}/0",
        "provider_url": provider_url,
        "provider_key": SecretStr(KEY),
        "rpm": RPM,
        "tpm": TPM,
        "call_timeout_seconds": 6.0,
        "max_attempts": 50,
        "lease_seconds": LEASE_SECONDS,
        "grace_seconds": 15.0,
    }
    if postgres:
        values["database_url"] = postgres.url
    return Settings(**values)
