"""Landings written to the database. One that it will never take becomes a failure of its job."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from headrace.db import Database
from headrace.dispatch import wake_finalise
from headrace.failpoints import failpoint
from headrace.states import Outcome
from headrace.store.landings import Landing, Verb, land
from headrace.store.postings import is_in_doubt
from headrace.usage import NO_USAGE
from worker.refusals import WRITE_ERRORS, described, is_refusal
from worker.spool import Spool

log = logging.getLogger(__name__)

REFUSED_MESSAGE = (
    "The database refused to store what came of the call. The operator has it in the spool folder."
)


class Writer:
    """Writes groups of landings, each group a transaction that may be repeated."""

    def __init__(self, db: Database, spool: Spool) -> None:
        self._db = db
        self._spool = spool

    def write(self, landings: Sequence[Landing]) -> bool:
        """Whether all is done that can be done about these landings; else try again later."""
        try:
            self._land(landings)
        except WRITE_ERRORS as error:
            if not is_refusal(error):
                log.warning("%d landings could not be written: %s", len(landings), described(error))
                return False
            log.warning("a group of %d landings was refused: %s", len(landings), described(error))
            return all(self._write_alone(landing) for landing in landings)
        return True

    def _write_alone(self, landing: Landing) -> bool:
        for form in _forms(landing):
            try:
                self._land([form])
            except WRITE_ERRORS as error:
                if not is_refusal(error) or not self._kept(landing):
                    return False
                log.error(  # noqa: TRY400 - the traceback would quote an answer
                    "the landing of attempt %s of job %d was refused: %s",
                    *(landing.attempt_id, landing.job_id, described(error)),
                )
            else:
                return True
        log.error("job %d has no end that the database takes; it is left to the rescue", landing.job_id)
        return True

    def _land(self, landings: Sequence[Landing]) -> None:
        failpoint("before-landing")
        with self._db.begin() as session:
            completed = land(session, landings)
        failpoint("landed")
        for batch_id in completed:
            wake_finalise(batch_id)

    def _kept(self, landing: Landing) -> bool:
        try:
            self._spool.reject(landing)
        except OSError as error:
            log.warning("attempt %s is refused and cannot be kept: %s", landing.attempt_id, error)
            return False
        return True


def _forms(landing: Landing) -> list[Landing]:
    """The landing, and what is left of it where the database takes it not: less and less."""
    failed = _as_failure(landing)
    end = [failed, replace(failed, usage=NO_USAGE, outcome=Outcome.AMBIGUOUS)]
    if landing.verb in (Verb.RETRY, Verb.SNOOZE):  # the job goes again, whatever was said to it
        end.insert(0, replace(landing, request_id=None, error_code=None, error_message=None, notice=None))
    return [landing, *end]


def _as_failure(landing: Landing) -> Landing:
    return Landing(
        job_id=landing.job_id,
        token=landing.token,
        attempt_id=landing.attempt_id,
        verb=Verb.FAIL,
        outcome=Outcome.AMBIGUOUS if is_in_doubt(landing.outcome, landing.usage) else Outcome.FAILED,
        usage=landing.usage,
        status_code=landing.status_code,
        error_code="internal_error",
        error_message=REFUSED_MESSAGE,
        service_tier=landing.service_tier,
    )
