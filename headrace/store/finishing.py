"""Ends for jobs that get no answer: cancelled, expired, lost, with their place in the batch's results."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session

from headrace.states import JobState
from headrace.store.batches import Tally, add
from headrace.store.tables import jobs

WORKER_LOST = "worker_lost"
ENDINGS = {
    JobState.CANCELLED: (
        "batch_cancelled",
        "This request was not run because it was cancelled.",
    ),
    JobState.EXPIRED: (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    JobState.FAILED: (
        WORKER_LOST,
        "The worker died while the last call that this request may have was under way.",
    ),
}
NOT_RETRIED = (
    "not_retried",
    "A call of this request may have been paid for, and its owner decided against another one.",
)


def finish(
    session: Session,
    rows: Sequence[Any],
    state: JobState,
    at: datetime,
    reason: tuple[str, str] | None = None,
) -> None:
    """Give locked rows (with `id` and `batch_id`) their end without an answer (contract 3.3).

    `reason`, a code and a message, is that of the state unless given.

    The status of an earlier attempt goes: it belongs to no answer.
    """
    if not rows:
        return
    code, message = reason or ENDINGS[state]
    ended = update(jobs).where(jobs.c.id == bindparam("job_id"))
    ended = ended.values(
        state=state,
        finished_at=at,
        lease_token=None,
        worker_id=None,
        status_code=None,
        error_code=code,
        error_message=message,
        result_no=bindparam("number"),
    )
    session.connection().execute(ended, _numbered(session, rows, state))


def _numbered(session: Session, rows: Sequence[Any], state: JobState) -> list[dict[str, Any]]:
    by_batch: dict[str | None, list[int]] = defaultdict(list)
    for row in rows:
        by_batch[row.batch_id].append(row.id)
    numbered: list[dict[str, Any]] = []
    for batch_id, ids in sorted(by_batch.items(), key=lambda item: item[0] or ""):
        first = add(session, batch_id, _tally(state, len(ids))) + 1 if batch_id else None
        numbered += [
            {"job_id": job_id, "number": first + place if first is not None else None}
            for place, job_id in enumerate(ids)
        ]
    return numbered


def _tally(state: JobState, count: int) -> Tally:
    tally = Tally()
    setattr(tally, state.value, count)
    return tally
