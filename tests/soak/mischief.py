"""The faults of a soak: one after another, each as often as the others, in an order drawn with a seed."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import redis
from sqlalchemy import make_url

from headrace.client import Refused, Unreachable
from headrace.states import BATCH_FINAL
from tests.invariants import Cancelled
from tests.soak.rig import Rig

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"  # noqa: E501
BLACKHOLE_SECONDS = 5.0
NETWORK_SECONDS = 3.0
SERVER_AWAY_SECONDS = 4.0
LONGEST_STOP_SECONDS = 60.0


@dataclass
class Mischief:
    """`strike` does one thing; what was stopped goes on by itself, at the latest with `calm`."""

    rig: Rig
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    cancelled: list[Cancelled] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)
    _stopped: dict[str, tuple[int, threading.Timer]] = field(default_factory=dict)

    def strike(self) -> str:
        """Returns what was done; when it took a while, it is over."""
        kinds = self._kinds()
        if not self._deck:
            self._deck = self.chance.sample(list(kinds), len(kinds))
        name = self._deck.pop()
        kinds[name]()
        self.done[name] += 1
        return name

    def calm(self) -> None:
        """Nothing is broken any more."""
        for name in list(self._stopped):
            self._go_on(name)
        self.rig.network.heal()

    def _kinds(self) -> dict[str, Callable[[], None]]:
        kinds: dict[str, Callable[[], None]] = {
            "kill -9 worker": lambda: self._kill(self._worker()),
            "kill -9 api": lambda: self._kill("api"),
            "SIGSTOP worker": self._stop_worker,
            "FLUSHALL": self._flush,
            "kill -9 valkey": self._restart_valkey,
            "provider resets": lambda: self._network(self.rig.network.reset),
            "provider refuses": lambda: self._network(self.rig.network.refuse),
            "provider blackhole": lambda: self._network(self.rig.network.blackhole, BLACKHOLE_SECONDS),
            "answers cut": lambda: self._network(lambda: self.rig.network.truncate(300)),
            "answers garbage": lambda: self._network(self.rig.network.garbage),
            "cancel a batch": self._cancel,
        }
        if self.rig.postgres:
            kinds["postgres restarted"] = self._restart_postgres
            kinds["backends terminated"] = self._terminate_backends
        return kinds

    def _worker(self) -> str:
        return self.chance.choice(["worker-1", "worker-2"])

    def _kill(self, name: str) -> None:
        if pid := self.rig.stack.pids.get(name):
            os.kill(pid, signal.SIGKILL)

    def _stop_worker(self) -> None:
        name = self._worker()
        pid = self.rig.stack.pids.get(name)
        if pid is None or name in self._stopped:
            return
        seconds = 1 + self.chance.random() ** 2 * (LONGEST_STOP_SECONDS - 1)
        timer = threading.Timer(seconds, self._go_on, [name])
        self._stopped[name] = (pid, timer)
        os.kill(pid, signal.SIGSTOP)
        timer.start()

    def _go_on(self, name: str) -> None:
        pid, timer = self._stopped.pop(name, (0, None))
        if timer:
            timer.cancel()
        if (
            pid and self.rig.stack.pids.get(name) == pid
        ):  # else it was killed, and the number may be another's
            os.kill(pid, signal.SIGCONT)

    def _flush(self) -> None:
        with redis.Redis.from_url(self.rig.redis_url) as client:
            client.flushall()

    def _restart_valkey(self) -> None:
        self.rig.valkey.kill()
        time.sleep(self.chance.random() * SERVER_AWAY_SECONDS)
        self.rig.valkey.start()

    def _restart_postgres(self) -> None:
        assert self.rig.postgres
        self.rig.postgres.stop()  # immediate
        time.sleep(self.chance.random() * SERVER_AWAY_SECONDS)
        self.rig.postgres.start()

    def _terminate_backends(self) -> None:
        assert self.rig.postgres
        url = (
            make_url(self.rig.postgres.url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(TERMINATE)

    def _network(self, spoil: Callable[[], None], seconds: float = NETWORK_SECONDS) -> None:
        spoil()
        time.sleep(seconds)
        self.rig.network.heal()

    def _cancel(self) -> None:
        client = self.rig.client
        try:
            running = [batch.id for batch in client.batches() if batch.status not in BATCH_FINAL]
            if running:
                chosen = self.chance.choice(running)
                client.cancel(chosen)
                self.cancelled.append(Cancelled(chosen, time.time()))
        except (Refused, Unreachable) as error:
            self.refusals.append(str(error))
