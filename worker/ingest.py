"""A batch's input becomes jobs: every line is checked first, then all are inserted slice by slice."""

import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import gevent

from headrace.bodies import Fault
from headrace.config import Config
from headrace.db import Database
from headrace.dispatch import wake
from headrace.files import path_of
from headrace.lines import parse_line
from headrace.models import Batch
from headrace.settings import Settings
from headrace.states import BATCH_FINAL, BatchStatus
from headrace.store import batches, files, jobs, workers
from headrace.store.jobs import NewJob
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

SLICE = 500


class Line(NamedTuple):
    """A line of the input that is not blank: its 1-based number, its bytes, and the offset behind it."""

    number: int
    raw: bytes
    end: int


class Ingest:
    """Reads the input of one batch. It goes on where a crash or a second ingest left it."""

    def __init__(
        self, batch_id: str, db: Database, settings: Settings, config: Config, stop: StopFlag
    ) -> None:
        self._batch_id = batch_id
        self._db = db
        self._settings = settings
        self._knows_model: Callable[[str], bool] = lambda model: config.route(model) is not None
        self._stop = stop

    def run(self) -> None:
        """Bring the batch to `in_progress` or `failed`, and its lines into the table of jobs."""
        with self._db.read() as session:
            batch = batches.get(session, self._batch_id)
        if batch is None or batch.status in BATCH_FINAL:
            return
        if batch.in_progress_at is None:
            batch = self._validate(batch)
        if batch.in_progress_at is not None:
            self._insert(batch)

    def _validate(self, batch: Batch) -> Batch:
        source = self._source(batch)
        if source is None:
            gone = Fault(
                "invalid_request", f"There is no batch input file '{batch.input_file_id}'.", "file_id"
            )
            return self._begin(batch, [gone.as_error(None)], 0, set())
        review = _Review(self._settings.max_batch_lines)
        for count, line in enumerate(_lines(source)):
            parsed = parse_line(line.raw, line.number, batch.endpoint, self._knows_model)
            review.add(line.number, parsed)
            if count % SLICE == 0:
                gevent.sleep(0)
        return self._begin(batch, review.errors(), review.total, review.models)

    def _begin(self, batch: Batch, errors: list[dict[str, Any]], total: int, models: set[str]) -> Batch:
        with self._db.begin() as session:
            locked = batches.lock(session, batch.id)
            if locked.in_progress_at is not None:  # another ingest has been here
                return locked
            if locked.status == BatchStatus.CANCELLING:
                batches.finish(session, batch.id, BatchStatus.CANCELLED, None, None)
            elif errors:
                batches.fail(session, batch.id, errors)
            else:
                model = next(iter(models)) if len(models) == 1 else None
                batches.begin(session, batch.id, total=total, model=model)
            return batches.lock(session, batch.id)

    def _insert(self, batch: Batch) -> None:
        source = self._source(batch)
        if source is None:
            log.error("the input of %s is gone; it cannot be ingested", batch.id)
            return
        lines = _lines(source, batch.ingest_offset)
        offset, known = batch.ingest_offset, set[str]()
        while slice_ := list(islice(lines, SLICE)):
            new = [self._job(line, batch.endpoint) for line in slice_]
            if self._stop.is_set() or not self._inserted(batch, new, offset, slice_[-1].end):
                return
            offset = slice_[-1].end
            lanes = {job.lane for job in new}
            for lane in lanes - known:
                wake(lane)
            known |= lanes
            gevent.sleep(0)

    def _inserted(self, batch: Batch, new: list[NewJob], begin: int, end: int) -> bool:
        """One slice, unless another ingest of the batch has been here."""
        with self._db.begin() as session:
            if batches.lock(session, batch.id).ingest_offset != begin:
                return False
            attempts = self._settings.max_attempts
            jobs.submit(session, new, api_key_id=batch.api_key_id, batch_id=batch.id, max_attempts=attempts)
            batches.ingested(session, batch.id, lines=len(new), offset=end)
            workers.open_lanes(session, [job.lane for job in new])
        return True

    def _job(self, line: Line, endpoint: str) -> NewJob:
        parsed = parse_line(line.raw, line.number, endpoint, lambda _: True)
        if isinstance(parsed, Fault):
            raise ValueError(f"line {line.number} of {self._batch_id} was valid and is not any more")
        return parsed

    def _source(self, batch: Batch) -> Path | None:
        with self._db.read() as session:
            file = files.get(session, batch.api_key_id, batch.input_file_id)
        path = path_of(self._settings.files_dir, batch.input_file_id)
        return path if file and file.purpose == "batch" and path.exists() else None


class _Review:
    """What validation finds, over all lines."""

    def __init__(self, max_lines: int) -> None:
        self.total = 0
        self.models: set[str] = set()
        self._max_lines = max_lines
        self._custom_ids: set[str] = set()
        self._errors: list[dict[str, Any]] = []

    def add(self, number: int, parsed: NewJob | Fault) -> None:
        """Take in one line."""
        self.total += 1
        if isinstance(parsed, NewJob):
            self.models.add(parsed.lane)
            parsed = self._duplicate(parsed) or parsed
        if isinstance(parsed, Fault):
            self._errors.append(parsed.as_error(number))

    def errors(self) -> list[dict[str, Any]]:
        """The entries of the batch's `errors`, in the order of the lines; none if it may run."""
        if not self.total:
            return [Fault("empty_file", "The input file has no lines.").as_error(None)]
        if self.total > self._max_lines:
            message = f"The input file has {self.total} lines; a batch may have {self._max_lines}."
            return [Fault("batch_request_limit_exceeded", message).as_error(None), *self._errors]
        return self._errors

    def _duplicate(self, job: NewJob) -> Fault | None:
        custom_id = job.custom_id or ""
        if custom_id in self._custom_ids:
            return Fault("duplicate_custom_id", f"The custom_id '{custom_id}' is used before.", "custom_id")
        self._custom_ids.add(custom_id)
        return None


def _lines(source: Path, offset: int = 0) -> Iterator[Line]:
    """The lines from a byte offset on, numbered from the start of the file; blank ones are left out."""
    with source.open("rb") as file:
        number = _newlines(source, offset)
        file.seek(offset)
        for raw in file:
            number += 1
            offset += len(raw)
            if raw.strip():
                yield Line(number, raw, offset)


def _newlines(source: Path, offset: int) -> int:
    count, left = 0, offset
    with source.open("rb") as file:
        while left and (chunk := file.read(min(left, 1 << 20))):
            count += chunk.count(b"\n")
            left -= len(chunk)
    return count
