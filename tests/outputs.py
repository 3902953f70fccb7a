"""I2: a final batch's files and its jobs are a bijection, and no result changed after it was published."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from sqlmodel import Session, col, select

from headrace.db import Database
from headrace.files import path_of
from headrace.models import Batch
from headrace.output import output_line
from headrace.states import BATCH_FINAL, JobState
from headrace.store.reading import results

PAGE = 1000


def unlike_their_jobs(db: Database, folder: Path) -> Iterator[str]:
    """What is wrong with the output and error files of all batches that are final."""
    with db.read() as session:
        for batch in session.exec(select(Batch).where(col(Batch.status).in_(BATCH_FINAL))):
            try:
                for what in _wrong(session, batch, folder):
                    yield f"I2 {what}: {batch.id}"
            except FileNotFoundError as error:
                yield f"I2 {error.filename} is not there: {batch.id}"


def _wrong(session: Session, batch: Batch, folder: Path) -> Iterator[str]:
    with ExitStack() as opened:
        output = _opened(opened, folder, batch.output_file_id)
        errors = _opened(opened, folder, batch.error_file_id)
        seen: set[int] = set()
        after = 0
        while page := results(session, batch.id, after=after, limit=PAGE):
            after = page[-1].result_no
            for row in page:
                if row.line in seen:
                    yield f"{row.custom_id} has two results"
                seen.add(row.line)
                file = output if row.state == JobState.SUCCEEDED else errors
                line = file.readline() if file else b""
                if line != output_line(row):
                    yield f"{row.custom_id} is {row.state}, and its line is {line[:80]!r}"
        for file in filter(None, (output, errors)):
            if rest := file.readline():
                yield f"a line of no job: {rest[:80]!r}"
        if len(seen) != batch.total:
            yield f"{len(seen)} results, and {batch.total} lines"


def _opened(stack: ExitStack, folder: Path, file_id: str | None) -> BinaryIO | None:
    return stack.enter_context(path_of(folder, file_id).open("rb")) if file_id else None
