"""A batch's input becomes jobs: every line is checked first, then all are inserted slice by slice."""

import logging
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import gevent

from headrace.bodies import Fault
from headrace.clock import now
from headrace.config import Config
from headrace.db import Database
from headrace.dispatch import wake
from headrace.errors import Unavailable
from headrace.files import path_of
from headrace.lines import parse_line
from headrace.models import Batch
from headrace.settings import Settings
from headrace.states import BATCH_FINAL, BatchStatus
from headrace.store import batches, files, jobs, workers
from headrace.store.jobs import NewJob
from worker.input_lines import Line, lines
from worker.review import Review
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

SLICE = 500
SHORTENED = Fault("invalid_request", "The input file has lost lines since it was validated.", "file_id")


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
            return self._begin(batch, [_gone(batch).as_error(None)], 0, set())
        review = Review(self._settings.max_batch_lines)
        for line in lines(source, max_bytes=self._settings.max_body_bytes):
            if review.is_full():
                review.refuse_more()
                break
            review.add(line.number, self._parsed(line, batch.endpoint))
        return self._begin(batch, review.errors(), review.total, review.models)

    def _parsed(self, line: Line, endpoint: str) -> NewJob | Fault:
        if line.too_long:
            most = self._settings.max_body_bytes
            return Fault(
                "invalid_request", f"This line is longer than {most} bytes, the most that it may have."
            )
        return parse_line(line.raw, line.number, endpoint, self._knows_model)

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
            self._end_early(batch, batch.ingest_offset, _gone(batch), None)
            return
        unread, offset, known = lines(source, batch.ingest_offset), batch.ingest_offset, set[str]()
        while slice_ := list(islice(unread, SLICE)):
            new, bad = _jobs(slice_, batch.endpoint)
            end = slice_[len(new) - 1].end if new else offset
            if self._stop.is_set() or not self._inserted(batch, new, offset, end):
                return
            offset = end
            lanes = {job.lane for job in new}
            for lane in lanes - known:
                wake(lane)
            known |= lanes
            if bad:
                self._end_early(batch, offset, bad, slice_[len(new)].number)
                return
            gevent.sleep(0)
        self._end_early(batch, offset, SHORTENED, None)

    def _inserted(self, batch: Batch, new: list[NewJob], begin: int, end: int) -> bool:
        """One slice, unless another ingest of the batch has been here."""
        with self._db.begin() as session:
            if batches.lock(session, batch.id).ingest_offset != begin:
                return False
            if not new:
                return True
            attempts = self._settings.max_attempts
            jobs.submit(session, new, api_key_id=batch.api_key_id, batch_id=batch.id, max_attempts=attempts)
            batches.ingested(session, batch.id, lines=len(new), offset=end)
            workers.open_lanes(session, [job.lane for job in new])
        return True

    def _end_early(self, batch: Batch, offset: int, fault: Fault, line: int | None) -> None:
        """What is not a row by now never will be; nothing to do when all is, or another ingest goes on."""
        with self._db.begin() as session:
            locked = batches.lock(session, batch.id)
            if locked.ingest_offset != offset or locked.ingested == locked.total:
                return
            left = locked.total - locked.ingested
            message = f"{fault.message} Requests that are not run for this reason: {left}."
            batches.end_ingest(session, batch.id, Fault(fault.code, message, fault.param).as_error(line))
        log.error("%s ends without its last %d lines: %s", batch.id, left, fault.code)

    def _source(self, batch: Batch) -> Path | None:
        """The input; None if it was deleted, or its bytes are not there and nobody waits for them any more.

        Raises Unavailable where they may come back.
        """
        with self._db.read() as session:
            file = files.get(session, batch.api_key_id, batch.input_file_id)
        if file is None or file.purpose != "batch":
            return None
        path = path_of(self._settings.files_dir, batch.input_file_id)
        try:
            path.stat()
        except FileNotFoundError:
            if batch.status == BatchStatus.CANCELLING or batch.expires_at < now():
                return None
            raise Unavailable(f"{path} is not there: is a volume not mounted?") from None
        return path


def _jobs(slice_: list[Line], endpoint: str) -> tuple[list[NewJob], Fault | None]:
    """The jobs of a slice; only those before a line that was valid and is not any more, and its fault."""
    new: list[NewJob] = []
    for line in slice_:
        parsed = parse_line(line.raw, line.number, endpoint, lambda _: True)
        if isinstance(parsed, Fault):
            return new, parsed
        new.append(parsed)
    return new, None


def _gone(batch: Batch) -> Fault:
    return Fault("invalid_request", f"There is no batch input file '{batch.input_file_id}'.", "file_id")
