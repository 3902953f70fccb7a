"""A worker process: what it holds, what runs in it all the time, how it stops."""

import logging
import os
import signal
import socket
from collections.abc import Callable

import gevent
from gevent import Greenlet
from sqlalchemy.exc import SQLAlchemyError

from headrace.config import Config, load_config
from headrace.db import Database
from headrace.dispatch import wake
from headrace.errors import Unavailable
from headrace.ids import new_id
from headrace.limits import Limiter, connect
from headrace.settings import Settings
from headrace.store import workers
from worker.alone import Alone
from worker.call import Caller
from worker.departures import Departures
from worker.drain import Drain, Tools
from worker.flights import Flights
from worker.heartbeat import Heartbeat
from worker.landing import Lander
from worker.lookout import Lookout
from worker.lost_claims import LostClaims
from worker.prices import Prices
from worker.provider_models import ProviderModels
from worker.replay import Replay
from worker.room import Room
from worker.spool import Spool
from worker.stopping import StopFlag
from worker.sweep import Sweeper
from worker.watching import Watch
from worker.writing import Writer

log = logging.getLogger(__name__)

RENEW_SECONDS = 15.0


class Process:
    """Everything that the tasks of one worker process share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.config: Config = load_config(settings)
        self.db = Database(settings.database)
        redis = connect(settings.redis_url)
        self.stop = StopFlag()
        self.alone = Alone(redis)
        self.worker_id = os.environ.get("HEADRACE_WORKER_ID") or new_id("worker_")
        limiter = Limiter(redis)
        caller = Caller(
            timeout_seconds=settings.call_timeout_seconds, max_answer_bytes=settings.max_answer_bytes
        )
        folder = settings.data_dir / "spool"
        self._spool = Spool(folder)
        writer = Writer(self.db, self._spool)
        self._replay = Replay(folder, writer, self.stop)
        self._lander = Lander(limiter, writer, self._spool)
        room = Room(settings.data_dir, settings.min_free_bytes, self._lander)
        self._flights = Flights(caller, limiter, self._lander)
        self._departures = Departures(self.db, limiter, self._flights, room, self.stop, self.worker_id)
        prices = Prices(self.db, self.config)
        self._tools = Tools(self.db, limiter, self._departures, self.stop, self.worker_id, room, prices)
        self._heartbeat = Heartbeat(self.db, self.worker_id, settings.lease_seconds)
        watch = Watch(self.worker_id, settings.lease_seconds)
        # Answers of the dead are written before their jobs are rescued, and called again.
        first = (self._replay.look, ProviderModels(self.db, self.config, self.stop).look)
        self.sweeper = Sweeper(self.db, redis, self.stop, watch, settings.files_dir, first)
        self._drains: dict[str, Drain] = {}

    def start(self) -> None:
        """Make the worker known and start what runs as long as it does."""
        with self.db.begin() as session:
            workers.register(session, self.worker_id, host=socket.gethostname(), pid=os.getpid())
        self._replay.look()  # before jobs of the dead are rescued and called again
        lost = LostClaims(self.db, self.worker_id, self.stop, self._holds, self.settings.lease_seconds)
        lookout = Lookout(self.db, self.stop, self._is_draining)
        parts = (self._lander, self._departures, self._heartbeat, self.sweeper, self._replay, lost, lookout)
        for loop in (*(part.run for part in parts), self._lander.keep, self._renew):
            self._spawn(loop)

    def drain(self, lane: str) -> None:
        """Drain a lane, or nudge the drain that is at it."""
        drain = self._drain_of(lane)
        if drain is None or self.stop.is_set():
            return
        if drain.running:
            drain.nudge()
        elif drain.run():
            wake(lane)

    def stop_claiming(self) -> None:
        """Take on nothing more; what departed may end within the grace."""
        self.stop.set(self.settings.grace_seconds)
        self._departures.nudge()
        for drain in self._drains.values():
            drain.nudge()

    def shut_down(self) -> None:
        """Let what is under way end within the grace, write it down, and say good-bye."""
        self.stop.set(self.settings.grace_seconds)
        left = self.stop.left
        done = self._departures.wait(left()) and self._flights.wait(left()) and self._lander.wait(left())
        if not done:
            log.warning("calls are still under way after the grace; others will take their jobs over")
            self._lander.save()
        self._heartbeat.end()
        self._spool.close()
        try:
            with self.db.begin() as session:
                workers.retire(session, [self.worker_id])
        except SQLAlchemyError as error:
            log.warning("not retired (%s): the sweep will notice", type(error).__name__)
        self.db.close()

    def _holds(self) -> set[tuple[int, str]]:
        return {lease for drain in self._drains.values() for lease in drain.holds()}

    def _is_draining(self, lane: str) -> bool:
        return lane in self._drains and self._drains[lane].running

    def _drain_of(self, lane: str) -> Drain | None:
        if lane not in self._drains:
            route = self.config.route(lane)
            if route is None:
                log.error("no model %r is configured any more; its jobs wait", lane)
                return None
            self._drains[lane] = Drain(lane, route, self._tools)
        return self._drains[lane]

    def _renew(self) -> None:
        """Also while the process stops: its calls are in flight until the last one landed."""
        while True:
            gevent.sleep(RENEW_SECONDS)
            try:
                for drain in list(self._drains.values()):
                    drain.renew()
            except Unavailable as error:
                log.warning("%s; calls in flight are not renewed", error)

    def _spawn(self, loop: Callable[[], None]) -> None:
        greenlet = gevent.spawn(loop)
        greenlet.link_exception(self._give_up)

    def _give_up(self, greenlet: Greenlet) -> None:
        """A loop that died of a fault of ours: better no worker than half a one."""
        log.critical("stopping, for a loop of this worker died: %r", greenlet.exception)
        os.kill(os.getpid(), signal.SIGTERM)
