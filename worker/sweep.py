"""The periodic duty: rescue, expire, wake, finalise, prune. One process does it; two would harm nothing."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import gevent
from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock
from sqlalchemy.exc import SQLAlchemyError

from headrace.broker import BEAT_KEY
from headrace.clock import now
from headrace.db import Database
from headrace.dispatch import wake_finalise, wake_ingest
from headrace.errors import Unavailable
from headrace.failpoints import failpoint
from headrace.store import batches, sweeping, workers
from worker.pausing import Pausing
from worker.pruning import Pruning
from worker.refusals import described
from worker.stopping import StopFlag
from worker.tidying import Tidying
from worker.watching import Watch

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
LEADER_SECONDS = 6.0
BEAT_SEEN_SECONDS = 600
SLICE = 1000


class Sweeper:
    """Sweeps if it leads. Every one watches the workers' counters."""

    def __init__(
        self,
        db: Database,
        redis: Redis,
        stop: StopFlag,
        watch: Watch,
        files_dir: Path,
        first: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`first` are duties of the process that come before all others."""
        self._db = db
        self._redis = redis
        self._stop = stop
        self._watch = watch
        self._lock = Lock(
            redis, "headrace:sweeper", timeout=LEADER_SECONDS, blocking=False, thread_local=False
        )
        self._dead: dict[str, int] = {}
        rows = (self._rescue, self._end_waiting, self._bring_forward, Pausing(db, stop).look)
        folder = (Pruning(db, files_dir).prune, Tidying(db, files_dir).tidy)
        self._duties = (*first, *rows, self._wake, *folder)

    def run(self) -> None:
        """Sweep every other second; ends when the process stops."""
        while not self._stop.wait(SWEEP_SECONDS):
            self.sweep()
        self._resign()

    def beat(self) -> None:
        """Sweep because beat said so, and leave a sign that it did."""
        try:
            self._redis.set(BEAT_KEY, now().isoformat(), ex=BEAT_SEEN_SECONDS)
        except RedisError as error:
            log.warning("no sign of beat is left: %s", error)
        self.sweep()

    def sweep(self) -> None:
        """One sweep, if this process leads. What is away now is there for the next one."""
        try:
            self._look()
            for duty in self._duties:
                if not self._leads():  # also renews: a duty may take its time
                    return
                duty()
        except (SQLAlchemyError, RedisError, Unavailable, OSError) as error:
            log.warning("a sweep broke off: %s", described(error))

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

    def _look(self) -> None:
        with self._db.read() as session:
            self._dead = self._watch.dead(workers.counters(session))

    def _rescue(self) -> None:
        dead: list[str] = []
        if self._dead:
            with self._db.begin() as session:
                dead = workers.give_up(session, self._dead)
            log.warning("given up for dead: %s", ", ".join(dead))
        with self._db.read() as session:
            rescued = SLICE if dead or sweeping.strangers(session) else 0
        while rescued == SLICE and not self._stop.is_set():
            with self._db.begin() as session:
                rescued = sweeping.rescue(session, dead, SLICE)
            if rescued:
                log.warning("rescued %d jobs of dead workers", rescued)
        failpoint("sweep", lambda: Unavailable("a failpoint"))

    def _end_waiting(self) -> None:
        with self._db.read() as session:
            ending = batches.to_empty(session, now())
        for batch_id, state in ending.items():
            ended = SLICE
            while ended == SLICE and not self._stop.is_set():
                with self._db.begin() as session:
                    ended = sweeping.end_waiting(session, batch_id, state, SLICE)
                gevent.sleep(0)

    def _bring_forward(self) -> None:
        with self._db.read() as session:
            lanes = sweeping.put_off(session)
        brought = SLICE if lanes else 0
        while brought == SLICE and not self._stop.is_set():
            with self._db.begin() as session:
                brought = sweeping.bring_forward(session, lanes, SLICE)
            if brought:
                log.warning("%d jobs are due now that waited for a clock that was put back", brought)

    def _wake(self) -> None:
        with self._db.read() as session:
            unread, done = batches.to_ingest(session), batches.to_close(session)
        if done:
            with self._db.begin() as session:
                done = batches.close_if_done(session, done)
        for batch_id in done:
            wake_finalise(batch_id)
        for batch_id in unread:
            wake_ingest(batch_id)
