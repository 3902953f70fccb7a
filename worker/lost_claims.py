"""Jobs that are leased to this process and of which it knows nothing: a commit was not acknowledged."""

import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from headrace.db import Database
from headrace.store import sweeping
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

LOOKS_PER_LEASE = 4.5

Lease = tuple[int, str]


class LostClaims:
    """Puts back what was unknown at two looks in a row; one look may come between a commit and its word."""

    def __init__(
        self,
        db: Database,
        worker_id: str,
        stop: StopFlag,
        held: Callable[[], set[Lease]],
        lease_seconds: float,
    ) -> None:
        """`held` tells the job ids and tokens of what the process has in hand."""
        self._db = db
        self._worker_id = worker_id
        self._stop = stop
        self._held = held
        self._seconds = lease_seconds / LOOKS_PER_LEASE
        self._unknown: set[Lease] = set()

    def run(self) -> None:
        """Look several times a lease; ends when the process stops."""
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except SQLAlchemyError as error:
                log.warning("lost claims are not looked for: %s", type(error).__name__)

    def look(self) -> None:
        """Compare once."""
        with self._db.read() as session:
            unknown = sweeping.leased_to(session, self._worker_id) - self._held()
        lost = dict(unknown & self._unknown)
        self._unknown = unknown
        if lost:
            with self._db.begin() as session:
                back = sweeping.take_back(session, lost)
            log.warning("put back %d jobs that were leased to us without our knowledge", back)
