"""Landings that dead processes of this host left in the spool, written down."""

import fcntl
import logging
import os
from pathlib import Path
from typing import BinaryIO

from gevent.lock import RLock

from headrace.store.landings import Landing
from worker.spool import BAD_SUFFIX, SUFFIX, decoded
from worker.stopping import StopFlag
from worker.writing import Writer

log = logging.getLogger(__name__)

REPLAY_SECONDS = 10.0
LARGEST_GROUP = 50


class Replay:
    """Lands the spool files that nobody holds, and removes each when all of it is written."""

    def __init__(self, folder: Path, writer: Writer, stop: StopFlag) -> None:
        self._folder = folder
        self._writer = writer
        self._stop = stop
        self._one_at_a_time = RLock()

    def run(self) -> None:
        """Look every ten seconds; ends when the process stops."""
        while not self._stop.wait(REPLAY_SECONDS):
            self.look()

    def look(self) -> None:
        """Land what lies there now. What cannot be written stays for the next time."""
        with self._one_at_a_time:
            for path in sorted(self._folder.glob(f"*{SUFFIX}")):
                try:
                    with path.open("rb") as file:
                        self._take(path, file)
                except OSError as error:
                    log.warning("spool file %s: %s", path.name, error)

    def _take(self, path: Path, file: BinaryIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its process lives, or somebody else is at it
        if os.fstat(file.fileno()).st_nlink == 0:
            return
        bad = self._land(file)
        if bad:
            kept = path.rename(path.with_suffix(BAD_SUFFIX))
            log.error("%d lines of a spool file cannot be read; it is kept as %s", bad, kept.name)
        elif bad is not None:
            path.unlink()

    def _land(self, file: BinaryIO) -> int | None:
        """Writes what the file holds; how many lines are none, or None when the database is away."""
        good, bad = 0, 0
        group: list[Landing] = []
        for line in file:
            if not line.endswith(b"\n"):
                log.warning("the process died while it wrote the last line of its spool file")
                break
            try:
                group.append(decoded(line))
                good += 1
            except ValueError:
                bad += 1
            if len(group) == LARGEST_GROUP:
                if not self._writer.write(group):
                    return None
                group = []
        if group and not self._writer.write(group):
            return None
        if good:
            log.warning("landed %d answers that a dead process left in the spool", good)
        return bad
