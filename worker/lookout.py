"""Lanes in which jobs are due and this process has no drain: it asks for one, every other second.

Each process looks for itself. So where all are at work no hint is sent, however many lanes and workers there
are; and a hint that another one heard, or that was lost, is sent again.
"""

import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from headrace.db import Database
from headrace.dispatch import wake
from headrace.store import workers
from worker.refusals import described
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0


class Lookout:
    """Looks for due jobs until the process stops."""

    def __init__(self, db: Database, stop: StopFlag, is_draining: Callable[[str], bool]) -> None:
        """`is_draining` tells whether this process is at work on a lane."""
        self._db = db
        self._stop = stop
        self._is_draining = is_draining

    def run(self) -> None:
        """Look every other second; ends when the process stops."""
        while not self._stop.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look once. A database that is away is there for the next look."""
        try:
            with self._db.read() as session:
                due = workers.due_lanes(session)
        except SQLAlchemyError as error:
            log.warning("due lanes are not looked for: %s", described(error))
            return
        for lane in due:
            if not self._is_draining(lane):
                wake(lane)
