"""What is over goes: files past their time, the parts of uploads that have ended, and old uploads."""

import logging
import time
from datetime import timedelta
from pathlib import Path

import gevent

from headrace.clock import now
from headrace.db import Database
from headrace.files import remove
from headrace.store import files, uploads
from headrace.upload_parts import drop_parts

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
SLICE = 100
# A completion that began in time may still be at work on the parts.
COMPLETION = timedelta(minutes=15)
UPLOADS_KEPT = timedelta(days=30)


class Pruning:
    """Looks every half minute, and at once again while there is more. Several may do it at once."""

    def __init__(self, db: Database, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._next_look = 0.0

    def prune(self) -> None:
        """One slice of each, if it is time to look."""
        if time.monotonic() < self._next_look:
            return
        pruned = (self._prune_files(), self._prune_parts(), self._prune_uploads())
        if max(pruned) < SLICE:
            self._next_look = time.monotonic() + LOOK_SECONDS

    def _prune_files(self) -> int:
        """Rows first, so that nobody finds a file without its bytes; bytes that stay are tidied away."""
        with self._db.begin() as session:
            over = files.expire(session, SLICE)
        for file_id in over:
            remove(self._folder, file_id)
            gevent.sleep(0)
        if over:
            log.info("removed %d files whose time is over", len(over))
        return len(over)

    def _prune_parts(self) -> int:
        with self._db.begin() as session:
            expired = uploads.expire(session, now() - COMPLETION, SLICE)
        return max(expired, drop_parts(self._db, self._folder, SLICE))

    def _prune_uploads(self) -> int:
        with self._db.begin() as session:
            return uploads.forget(session, now() - UPLOADS_KEPT, SLICE)
