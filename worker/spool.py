"""Landings on disk while the database is away: one file a process, a line of JSON each, synced.

The file's lock is held as long as its process lives. Who finds it free may land what the file holds.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from headrace.disk import sync_folder
from headrace.ids import new_id
from headrace.store.landings import Landing

SUFFIX = ".jsonl"
BAD_SUFFIX = ".bad"
REJECTED_SUFFIX = ".rejected"
LARGE_BYTES = 16 * 1024 * 1024
MOST_WRITTEN = 4  # lines for one that is not

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
        self._file: _File | None = None

    def add(self, landings: Iterable[Landing]) -> None:
        """Append landings; they are on disk when this returns. Raises OSError when they cannot be."""
        lines = [encoded(landing) for landing in landings]
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = _File(self._folder)
        self._file.append(lines)

    def is_mostly_written(self, waiting: int) -> bool:
        """Whether it is large, and all but `waiting` landings, a small part of it, are written elsewhere."""
        file = self._file
        return file is not None and file.size > LARGE_BYTES and file.lines > MOST_WRITTEN * waiting

    def rewrite(self, landings: Iterable[Landing]) -> None:
        """Keep these alone, in a new file; the old one stays until they are on disk. Raises OSError."""
        old, self._file = self._file, None
        try:
            self.add(landings)
        except OSError:
            if self._file is not None:
                self._file.remove()
            self._file = old
            raise
        if old is not None:
            old.remove()

    def clear(self) -> None:
        """All that was added is written elsewhere."""
        if self._file is not None:
            self._file.clear()

    def reject(self, landing: Landing) -> None:
        """Keep a landing that the database will never take, for a person. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{landing.attempt_id}{REJECTED_SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(file, encoded(landing))
        finally:
            os.close(file)
        sync_folder(self._folder)

    def close(self) -> None:
        """Leave what was not written to others."""
        if self._file is not None:
            if self._file.size:
                self._file.close()
            else:
                self._file.remove()
            self._file = None


class _File:
    """A new, locked file. `size` in bytes, and `lines`, are of what was appended whole."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{new_id('spool_')}{SUFFIX}"
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.size = self.lines = 0
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._handle).st_nlink == 0:
                raise OSError("somebody took the new spool file for a dead process's one")
            sync_folder(folder)
        except BaseException:
            os.close(self._handle)
            raise

    def append(self, lines: Sequence[bytes]) -> None:
        os.ftruncate(self._handle, self.size)  # takes away what a failed attempt left
        data = b"".join(lines)
        _write(self._handle, data)
        self.size += len(data)
        self.lines += len(lines)

    def clear(self) -> None:
        if self.size:
            os.ftruncate(self._handle, 0)
            self.size = self.lines = 0

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        os.close(self._handle)


def _write(file: int, lines: bytes) -> None:
    view = memoryview(lines)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)
