"""The faults of a soak: one after another, each as often as the others, in an order drawn with a seed."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import psycopg
import redis

from headrace.client import Refused, Unreachable
from headrace.states import BATCH_FINAL
from tests.invariants import Cancelled
from tests.pace import HeldUp
from tests.servers import for_psycopg
from tests.soak.calls import Span
from tests.soak.processes import Processes, open_calls
from tests.soak.rig import MORTAL_WORKERS, WORKERS, Rig

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"  # noqa: E501
BLACKHOLE_SECONDS = 5.0
NETWORK_SECONDS = 3.0
SERVER_AWAY_SECONDS = 4.0
LONGEST_STOP_SECONDS = 60.0
LATEST_CALL_SECONDS = 5.0  # a worker that goes on after a stop makes no call that is later


@dataclass
class Mischief:
    """`strike` does one thing; what was stopped goes on by itself, at the latest with `calm`.

    `done` counts what happened; `network` has the times in which the network was bad.
    """

    rig: Rig
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    cancelled: list[Cancelled] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    network: list[Span] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.processes = Processes(lambda: self.rig.stack.pids, partial(open_calls, self.rig.db))

    def strike(self) -> str:
        """Returns what was done, or was not possible; when it took a while, it is over."""
        kinds = self._kinds()
        if not self._deck:
            self._deck = self.chance.sample(list(kinds), len(kinds))
        name = self._deck.pop()
        if not kinds[name]():
            return f"{name}: not possible now"
        self.done[name] += 1
        return name

    def calm(self) -> None:
        """Nothing is broken any more."""
        self.processes.calm()
        self.rig.network.heal()

    def held_up(self) -> list[HeldUp]:
        """What may have made calls arrive together that were due one after another.

        Those that could not be sent give their slots back, which are taken at once when the network is well.
        """
        unsent = [HeldUp(since, until, until - since) for since, until in self.network]
        stops = [one for one in self.processes.struck if one.until and not one.was_killed]
        return unsent + [
            HeldUp(one.since, one.until or 0, min(one.seconds, LATEST_CALL_SECONDS)) for one in stops
        ]

    def _kinds(self) -> dict[str, Callable[[], bool]]:
        network = self.rig.network
        kinds: dict[str, Callable[[], bool]] = {
            "kill -9 worker": lambda: self.processes.kill(self.chance.choice(MORTAL_WORKERS)),
            "kill -9 api": lambda: self.processes.kill("api"),
            "SIGSTOP worker": self._stop_worker,
            "FLUSHALL": self._flush,
            "kill -9 valkey": self._restart_valkey,
            "provider resets": lambda: self._network(network.reset),
            "provider refuses": lambda: self._network(network.refuse),
            "provider blackhole": lambda: self._network(network.blackhole, BLACKHOLE_SECONDS),
            "answers cut": lambda: self._network(lambda: network.truncate(300)),
            "answers garbage": lambda: self._network(network.garbage),
            "cancel a batch": self._cancel,
        }
        if self.rig.postgres:
            kinds["postgres restarted"] = self._restart_postgres
            kinds["backends terminated"] = self._terminate_backends
        return kinds

    def _stop_worker(self) -> bool:
        seconds = 1 + self.chance.random() ** 2 * (LONGEST_STOP_SECONDS - 1)
        return self.processes.stop(self.chance.choice(WORKERS), seconds)

    def _flush(self) -> bool:
        with redis.Redis.from_url(self.rig.redis_url) as client:
            client.flushall()
        return True

    def _restart_valkey(self) -> bool:
        self.rig.valkey.kill()
        time.sleep(self.chance.random() * SERVER_AWAY_SECONDS)
        self.rig.valkey.start()
        return True

    def _restart_postgres(self) -> bool:
        assert self.rig.postgres
        self.rig.postgres.stop()  # immediate
        time.sleep(self.chance.random() * SERVER_AWAY_SECONDS)
        self.rig.postgres.start()
        return True

    def _terminate_backends(self) -> bool:
        assert self.rig.postgres
        url = for_psycopg(self.rig.postgres.url)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(TERMINATE)
        return True

    def _network(self, spoil: Callable[[], None], seconds: float = NETWORK_SECONDS) -> bool:
        since = time.time()
        spoil()
        time.sleep(seconds)
        self.rig.network.heal()
        self.network.append((since, time.time()))
        return True

    def _cancel(self) -> bool:
        client = self.rig.client
        try:
            running = [batch.id for batch in client.batches() if batch.status not in BATCH_FINAL]
            if not running:
                return False
            chosen = self.chance.choice(running)
            client.cancel(chosen)
        except (Refused, Unreachable) as error:
            self.refusals.append(str(error))
            return False
        self.cancelled.append(Cancelled(chosen, time.time()))
        return True
