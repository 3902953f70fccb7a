"""Leftovers in the folder of files and parts: of uploads, exports and deletions whose process was killed."""

import logging
import os
import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import gevent

from headrace.db import Database
from headrace.files import remove
from headrace.store import files

log = logging.getLogger(__name__)

LOOK_SECONDS = 600.0
OLD_SECONDS = 3600.0
SLICE = 500
PART = ".part"
OURS = re.compile(r"(file-|part_)\w+(\.[0-9a-f]{8}\.part)?")


class _State(NamedTuple):
    changed_at: float
    size: int


class Tidying:
    """Removes what nobody writes any more and no row names; looks every ten minutes.

    A clock may jump, so a file must be an hour old by its date and the same as at the look before.
    """

    def __init__(self, db: Database, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._seen: dict[str, _State] = {}
        self._next_look = 0.0

    def tidy(self) -> None:
        """Look and remove, if it is time to."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        before, self._seen = self._seen, dict(_look(self._folder))
        old_at = time.time() - OLD_SECONDS
        old = (
            name
            for name, state in self._seen.items()
            if state.changed_at < old_at and before.get(name) == state
        )
        while slice_ := list(islice(old, SLICE)):
            for name in self._unnamed(slice_):
                log.warning("removing %s, which a process left behind that was killed", name)
                remove(self._folder, name)
            gevent.sleep(0)

    def _unnamed(self, names: list[str]) -> list[str]:
        whole = [name for name in names if not name.endswith(PART)]
        with self._db.read() as session:
            needed = files.needed(session, whole)
        return [name for name in names if name not in needed]


def _look(folder: Path) -> Iterator[tuple[str, _State]]:
    """Those files whose names are of our making."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # renamed or removed since
                    continue
                yield entry.name, _State(found.st_mtime, found.st_size)
