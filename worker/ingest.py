"""A batch's input becomes jobs: every line is checked first, then all are inserted slice by slice."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import gevent
from sqlmodel import Session

from headrace.bodies import Fault
from headrace.clock import now
from headrace.config import Config
from headrace.db import Database
from headrace.dispatch import wake, wake_finalise
from headrace.errors import Unavailable
from headrace.files import path_of
from headrace.models import Batch
from headrace.settings import Settings
from headrace.states import BATCH_FINAL, BatchStatus
from headrace.store import batches, files, jobs, refusing, tag_sets, workers
from headrace.tags import TagSets
from headrace.versions import is_older
from worker.ahead import ahead
from worker.input_lines import lines
from worker.line_check import LineCheck, LineRules
from worker.review import Review
from worker.slices import Slice, slices
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

MODELS_KEPT = 256  # names of an input that are known, or not known, without another look
SHORTENED = Fault("invalid_request", "The input file has lost lines since it was validated.", "file_id")


class Ingest:
    """Reads the input of one batch. It goes on where a crash or a second ingest left it.

    Workers of the release before may know less of what a line can be, and any worker may go on with what
    another has begun. So as long as such live, inputs are begun by them alone.
    """

    def __init__(
        self, batch_id: str, db: Database, settings: Settings, config: Config, stop: StopFlag
    ) -> None:
        self._batch_id = batch_id
        self._db = db
        self._settings = settings
        self._config = config
        self._stop = stop
        self._tags = TagSets()

    def run(self) -> None:
        """Bring the batch to `in_progress` or `failed`, and its lines into the table of jobs."""
        with self._db.read() as session:
            batch = batches.get(session, self._batch_id)
            versions = workers.versions(session)
        if batch is None or batch.status in BATCH_FINAL:
            return
        self._tags = TagSets(batch.details)
        if batch.in_progress_at is None:
            if any(map(is_older, versions)):
                log.info("%s is left to the workers of an older release, while these live", batch.id)
                return
            batch = self._validate(batch)
        if batch.in_progress_at is not None:
            self._insert(batch)

    def _validate(self, batch: Batch) -> Batch:
        source = self._source(batch)
        if source is None:
            return self._begin(batch, [_gone(batch).as_error(None)], 0, None)
        rules = self._rules(batch)
        review, check = Review(self._settings.max_batch_lines), LineCheck(rules)
        for line in lines(source, max_bytes=rules.max_bytes, skip_bom=not rules.strict):
            if self._stop.is_set():
                return batch
            if review.is_full():
                review.refuse_more()
                break
            review.add(line.number, check.next(line))
        errors = review.fatal() if batch.skip_invalid else review.errors()
        return self._begin(batch, errors, review.total, review.model)

    def _rules(self, batch: Batch) -> LineRules:
        return LineRules(
            endpoint=batch.endpoint,
            knows_model=lru_cache(MODELS_KEPT)(lambda model: self._config.route(model) is not None),
            max_bytes=self._settings.max_body_bytes,
            tags=self._tags,
            strict=self._settings.strict,
        )

    def _begin(self, batch: Batch, errors: list[dict[str, Any]], total: int, model: str | None) -> Batch:
        with self._db.begin() as session:
            locked = batches.lock(session, batch.id)
            if locked.in_progress_at is not None:  # another ingest has been here
                return locked
            if locked.status == BatchStatus.CANCELLING:
                batches.finish(session, batch.id, BatchStatus.CANCELLED, None, None)
            elif errors:
                batches.fail(session, batch.id, errors)
            else:
                batches.begin(session, batch.id, total=total, model=model)
            return batches.lock(session, batch.id)

    def _insert(self, batch: Batch) -> None:
        source = self._source(batch)
        if source is None:
            self._end_early(batch, batch.ingest_offset, None, _gone(batch))
            return
        offset, known = batch.ingest_offset, set[str]()
        for slice_ in ahead(slices(source, batch, self._rules(batch))):
            if self._stop.is_set() or not self._inserted(batch, slice_, offset):
                return
            offset = slice_.end
            lanes = {job.lane for job in slice_.jobs}
            for lane in lanes - known:
                wake(lane)
            known |= lanes
            if slice_.broken:
                self._end_early(batch, offset, *slice_.broken)
                return
            del slice_  # the next one is read before it would be let go
            gevent.sleep(0)
        self._end_early(batch, offset, None, SHORTENED)

    def _inserted(self, batch: Batch, slice_: Slice, begin: int) -> bool:
        """One slice, unless another ingest of the batch has been here."""
        with self._db.begin() as session:
            if batches.lock(session, batch.id).ingest_offset != begin:
                return False
            closing = self._insert_slice(session, batch, slice_) if slice_.lines else []
        for batch_id in closing:
            wake_finalise(batch_id)
        return True

    def _insert_slice(self, session: Session, batch: Batch, slice_: Slice) -> list[str]:
        """Returns the batch if it is done: where the last lines are bad, nothing lands that would tell."""
        attempts = self._settings.max_attempts
        tag_sets.remember(session, self._tags.texts({job.tags_id for job in slice_.jobs}))
        jobs.submit(
            session,
            slice_.jobs,
            api_key_id=batch.api_key_id,
            batch_id=batch.id,
            max_attempts=attempts,
            priority=batch.priority,
        )
        batches.ingested(session, batch.id, lines=slice_.lines, offset=slice_.end)
        workers.open_lanes(session, [job.lane for job in slice_.jobs])
        refusing.refuse(session, batch, slice_.bad, max_attempts=attempts)
        return batches.close_if_done(session, [batch.id]) if slice_.bad else []

    def _end_early(self, batch: Batch, offset: int, line: int | None, fault: Fault) -> None:
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
        """The input; None if there is none, or its bytes are not there and nobody waits for them any more.

        Raises Unavailable where they may come back.
        """
        with self._db.read() as session:
            file = files.input_of(session, batch)
        if file is None:
            return None
        path = path_of(self._settings.files_dir, batch.input_file_id)
        try:
            path.stat()
        except FileNotFoundError:
            if batch.status == BatchStatus.CANCELLING or batch.expires_at < now():
                return None
            raise Unavailable(f"{path} is not there: is a volume not mounted?") from None
        return path


def _gone(batch: Batch) -> Fault:
    return Fault("invalid_request", f"There is no batch input file '{batch.input_file_id}'.", "file_id")
