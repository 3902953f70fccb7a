"""The periodic duty: rescue, wake, expire, finalise. One process does it; two would harm nothing."""

import logging
import time

import gevent
from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock
from sqlalchemy.exc import SQLAlchemyError

from headrace.clock import now
from headrace.db import Database
from headrace.dispatch import wake, wake_finalise, wake_ingest
from headrace.errors import Unavailable
from headrace.store import batches, sweeping, workers
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
DEAD_AFTER_SECONDS = 45.0
LEADER_SECONDS = 6.0
SLICE = 1000


class Sweeper:
    """Sweeps if it leads. Every one watches the workers' counters, by its own monotonic clock."""

    def __init__(self, db: Database, redis: Redis, stop: StopFlag) -> None:
        self._db = db
        self._stop = stop
        self._lock = Lock(
            redis, "headrace:sweeper", timeout=LEADER_SECONDS, blocking=False, thread_local=False
        )
        self._moved: dict[str, tuple[int, float]] = {}

    def run(self) -> None:
        """Sweep every other second; ends when the process stops."""
        while not self._stop.wait(SWEEP_SECONDS):
            self.sweep()
        self._resign()

    def sweep(self) -> None:
        """One sweep, if this process leads. What is away now is there for the next one."""
        try:
            dead = self._dead()
            if self._leads():
                self._rescue(dead)
                self._end_waiting()
                self._wake()
        except (SQLAlchemyError, RedisError, Unavailable) as error:
            log.warning("a sweep broke off: %s", error)

    def _leads(self) -> bool:
        try:
            return bool(self._lock.reacquire() if self._lock.owned() else self._lock.acquire())
        except LockError:
            return False

    def _resign(self) -> None:
        try:
            if self._lock.owned():
                self._lock.release()
        except (RedisError, LockError) as error:
            log.info("the sweeper's lock runs out by itself: %s", error)

    def _dead(self) -> set[str]:
        with self._db.read() as session:
            counters = workers.counters(session)
        seen = time.monotonic()
        self._moved = {
            worker: known if (known := self._moved.get(worker)) and known[0] == counter else (counter, seen)
            for worker, counter in counters.items()
        }
        return {worker for worker, (_, at) in self._moved.items() if seen - at > DEAD_AFTER_SECONDS}

    def _rescue(self, dead: set[str]) -> None:
        if dead:
            log.warning("given up for dead: %s", ", ".join(sorted(dead)))
            with self._db.begin() as session:
                workers.retire(session, sorted(dead))
        rescued = SLICE
        while rescued == SLICE and not self._stop.is_set():
            with self._db.begin() as session:
                rescued = sweeping.rescue(session, dead, SLICE)
            if rescued:
                log.warning("rescued %d jobs of dead workers", rescued)

    def _end_waiting(self) -> None:
        with self._db.read() as session:
            ending = batches.to_empty(session, now())
        for batch_id, state in ending.items():
            ended = SLICE
            while ended == SLICE and not self._stop.is_set():
                with self._db.begin() as session:
                    ended = sweeping.end_waiting(session, batch_id, state, SLICE)
                gevent.sleep(0)

    def _wake(self) -> None:
        with self._db.begin() as session:
            done = batches.close_if_done(session, batches.to_close(session))
        with self._db.read() as session:
            unread = batches.to_ingest(session)
            due = workers.due_lanes(session)
            hands = len(workers.counters(session))
        for batch_id in done:
            wake_finalise(batch_id)
        for batch_id in unread:
            wake_ingest(batch_id)
        for lane in due:
            for _ in range(hands):
                wake(lane)
