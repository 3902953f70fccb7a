"""Lines of a batch that cannot run, where the batch goes on without them: failed jobs from the start."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import insert
from sqlmodel import Session

from headrace.clock import now
from headrace.models import Batch
from headrace.states import JobState
from headrace.store.batches import Tally, add
from headrace.store.tables import jobs

NO_BODY = "{}"


class BadLine(NamedTuple):
    """A line that cannot run, and why. `lane` is the model that it names; empty if it names none."""

    line: int
    custom_id: str | None
    lane: str
    code: str
    message: str


def refuse(session: Session, batch: Batch, bad: Sequence[BadLine], *, max_attempts: int) -> None:
    """The bad lines of one slice, as results of their batch; `batches.ingested` has counted them before.

    They are never called and have no attempt.
    """
    if not bad:
        return
    at = now()
    before = add(session, batch.id, Tally(failed=len(bad)))
    shared = {
        "api_key_id": batch.api_key_id,
        "batch_id": batch.id,
        "endpoint": batch.endpoint,
        "body": NO_BODY,
        "max_attempts": max_attempts,
        "priority": batch.priority,
        "state": JobState.FAILED,
        "run_at": at,
        "created_at": at,
        "finished_at": at,
    }
    rows = [
        {
            **shared,
            "line": line.line,
            "custom_id": line.custom_id,
            "lane": line.lane,
            "error_code": line.code,
            "error_message": line.message,
            "result_no": number,
        }
        for number, line in enumerate(bad, before + 1)
    ]
    session.execute(insert(jobs), rows)
