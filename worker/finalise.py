"""A batch whose jobs are all final gets its files: written aside, flushed, renamed, then published."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import gevent

from headrace.clock import now
from headrace.db import Database
from headrace.files import path_of, writing
from headrace.models import Batch, File
from headrace.output import output_line
from headrace.states import BatchStatus, JobState
from headrace.store import batches, reading

PAGE = 1000
KEPT = timedelta(days=30)


def finalise(batch_id: str, db: Database, folder: Path) -> None:
    """Write and publish the files of a batch. Safe to repeat: the ids follow from the batch's own."""
    with db.begin() as session:
        ready = batches.close_if_done(session, [batch_id])
        batch = batches.get(session, batch_id)
    if not ready or batch is None:
        return
    output = f"file-{batch_id.removeprefix('batch_')}o" if batch.succeeded else None
    errors = f"file-{batch_id.removeprefix('batch_')}e" if batch.succeeded < batch.total else None
    _write(db, folder, batch_id, output, errors)
    with db.begin() as session:
        ended_at = now()
        good = _file(batch, folder, output, "output", ended_at)
        bad = _file(batch, folder, errors, "error", ended_at)
        batches.finish(session, batch_id, _status(batch), good, bad)


def _write(db: Database, folder: Path, batch_id: str, output: str | None, errors: str | None) -> None:
    with ExitStack() as stack:
        good = stack.enter_context(writing(folder, output)) if output else None
        bad = stack.enter_context(writing(folder, errors)) if errors else None
        for row in _results(db, batch_id):
            _out(row, good, bad).write(output_line(row))


def _results(db: Database, batch_id: str) -> Iterator[Any]:
    after = 0
    while True:
        with db.read() as session:
            rows = reading.results(session, batch_id, after=after, limit=PAGE)
        if not rows:
            return
        yield from rows
        after = rows[-1].result_no
        gevent.sleep(0)


def _out(row: Any, good: BinaryIO | None, bad: BinaryIO | None) -> BinaryIO:
    out = good if row.state == JobState.SUCCEEDED else bad
    if out is None:
        raise ValueError(f"the counts of the batch do not know of a result in state {row.state}")
    return out


def _file(batch: Batch, folder: Path, file_id: str | None, kind: str, created_at: datetime) -> File | None:
    if file_id is None:
        return None
    kept = timedelta(seconds=batch.output_seconds) if batch.output_seconds else KEPT
    return File(
        id=file_id,
        api_key_id=batch.api_key_id,
        purpose="batch_output",
        filename=f"{batch.id}_{kind}.jsonl",
        bytes=path_of(folder, file_id).stat().st_size,
        created_at=created_at,
        expires_at=created_at + kept,
    )


def _status(batch: Batch) -> BatchStatus:
    if batch.status == BatchStatus.CANCELLING:
        return BatchStatus.CANCELLED
    return BatchStatus.EXPIRED if batch.expired else BatchStatus.COMPLETED
