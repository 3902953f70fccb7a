"""The worker's sign of life: a counter that moves several times a lease."""

import logging
import os
import socket

from gevent.event import Event
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from headrace.db import Database
from headrace.failpoints import failpoint
from headrace.store import workers
from worker.refusals import described

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 4.5


class Heartbeat:
    """Beats until it is told to end; a worker that was given up for dead makes itself known again."""

    def __init__(self, db: Database, worker_id: str, lease_seconds: float) -> None:
        self._db = db
        self._worker_id = worker_id
        self._seconds = lease_seconds / BEATS_PER_LEASE
        self._ended = Event()

    def end(self) -> None:
        """Beat no more: all calls have ended. A worker that is stopping still lives until then."""
        self._ended.set()

    def run(self) -> None:
        """Beat until the end."""
        while not self._ended.wait(self._seconds):
            try:
                self._beat()
            except SQLAlchemyError as error:
                log.warning("no heartbeat: %s", described(error))

    def _beat(self) -> None:
        failpoint("heartbeat", _lost)
        with self._db.begin() as session:
            if not workers.beat(session, self._worker_id):
                log.warning("this worker was given up for dead; its jobs may have been taken over")
                workers.register(session, self._worker_id, host=socket.gethostname(), pid=os.getpid())


def _lost() -> OperationalError:
    return OperationalError("heartbeat", None, ConnectionError("a failpoint"))
