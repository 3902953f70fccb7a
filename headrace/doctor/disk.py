"""The data folder: uploads, results, spool, and on a laptop the database too."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from headrace.disk import free_bytes
from headrace.doctor.findings import Finding, ok, warning, wrong
from headrace.settings import MEBIBYTE

SUBJECT = "disk"
KEPT = (".rejected", ".bad")  # for a person: refused by the database, or not to be read


def look_at_disk(folder: Path, min_free_bytes: int) -> Iterator[Finding]:
    """Whether it can be written for good, and how much room there is."""
    try:
        folder.stat()
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"headrace")
            probe.flush()
            os.fsync(probe.fileno())
        free = free_bytes(folder)
    except FileNotFoundError:
        yield warning(
            SUBJECT, f"{folder} is not there yet", "`headrace up` makes it; else correct HEADRACE_DATA_DIR"
        )
        return
    except OSError as error:
        what = f"{folder} cannot be written: {os.strerror(error.errno or 0)}"
        yield wrong(SUBJECT, what, "correct HEADRACE_DATA_DIR, or the rights of the folder")
        return
    yield _room(folder, free, min_free_bytes)


def look_at_spool(folder: Path) -> Iterator[Finding]:
    """Answers that were paid for and are not in the database: yet, or at all."""
    try:
        left = {path: path.stat() for path in (folder / "spool").glob("*") if path.is_file()}
    except OSError as error:
        yield wrong("spool", f"cannot be read: {error}", "correct the rights of the folder")
        return
    waiting = [file.st_mtime for path, file in left.items() if path.suffix == ".jsonl" and file.st_size]
    kept = [path for path in left if path.suffix in KEPT]
    if waiting:
        age = time.time() - min(waiting)
        what = (
            f"{_files(len(waiting))} of answers that are not in the database yet, the oldest for {age:.0f} s"
        )
        yield warning("spool", what, "see to the database; workers with this folder then write them")
    if kept:
        what = f"{_files(len(kept))} of answers that the database cannot take are kept"
        yield warning("spool", what, "read them, and the log of the worker; then remove them")
    if not waiting and not kept:
        yield ok("spool", "no answer waits to be written")


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _room(folder: Path, free: int, wanted: int) -> Finding:
    said = f"{folder} can be written, {free / MEBIBYTE:,.0f} MiB are free"
    if free < wanted:
        what = f"{said}, fewer than the {wanted / MEBIBYTE:,.0f} MiB of HEADRACE_MIN_FREE_BYTES"
        return wrong(SUBJECT, what, "make room: until then nothing new is taken on")
    return ok(SUBJECT, said)
