"""The bytes of files: written aside, flushed to disk, then renamed into place, so never seen half."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from headrace.disk import sync_folder
from headrace.failpoints import failpoint


def path_of(folder: Path, file_id: str) -> Path:
    """Where a file's bytes lie. The id is ours, so it is a safe name."""
    return folder / file_id


@contextmanager
def writing(folder: Path, file_id: str) -> Iterator[BinaryIO]:
    """Write a file's bytes: it appears whole, and on disk, at the end of the block, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file_id}.{os.urandom(4).hex()}.part"
    try:
        with part.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        failpoint("before-rename")
        part.rename(path_of(folder, file_id))
        sync_folder(folder)
    finally:
        part.unlink(missing_ok=True)


def remove(folder: Path, file_id: str) -> None:
    """Forget a file's bytes; it may be gone already."""
    path_of(folder, file_id).unlink(missing_ok=True)
