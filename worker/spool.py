"""Landings on disk while the database is away: one file a process, a line of JSON each, synced.

The file's lock is held as long as its process lives. Who finds it free may land what the file holds.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from headrace.ids import new_id
from headrace.store.landings import Landing

SUFFIX = ".jsonl"
BAD_SUFFIX = ".bad"
REJECTED_SUFFIX = ".rejected"

_LANDINGS = TypeAdapter(Landing)


def encoded(landing: Landing) -> bytes:
    """A landing as a line."""
    return json.dumps(_LANDINGS.dump_python(landing, mode="json")).encode() + b"\n"


def decoded(line: bytes) -> Landing:
    """A line as a landing. Raises ValueError when it is none."""
    return _LANDINGS.validate_python(json.loads(line))


class Spool:
    """This process's file, made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder
        self._file: int | None = None
        self._size = 0

    def add(self, landings: Iterable[Landing]) -> None:
        """Append landings; they are on disk when this returns. Raises OSError when they cannot be."""
        lines = b"".join(map(encoded, landings))
        file = self._opened()
        os.ftruncate(file, self._size)  # takes away what a failed attempt left
        _write(file, lines)
        self._size += len(lines)

    def clear(self) -> None:
        """All that was added is written elsewhere."""
        if self._file is not None and self._size:
            os.ftruncate(self._file, 0)
            self._size = 0

    def reject(self, landing: Landing) -> None:
        """Keep a landing that the database will never take, for a person. Raises OSError."""
        self._make_folder()
        path = self._folder / f"{landing.attempt_id}{REJECTED_SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(file, encoded(landing))
        finally:
            os.close(file)
        _sync_folder(self._folder)

    def close(self) -> None:
        """Leave what was not written to others."""
        if self._file is not None:
            if not self._size:
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is None:
            self._make_folder()
            path = self._folder / f"{new_id('spool_')}{SUFFIX}"
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file).st_nlink == 0:
                    raise OSError("somebody took the new spool file for a dead process's one")
                _sync_folder(self._folder)
            except BaseException:
                os.close(file)
                raise
            self._path, self._file, self._size = path, file, 0
        return self._file

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write(file: int, lines: bytes) -> None:
    view = memoryview(lines)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
