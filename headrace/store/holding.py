"""Jobs that wait for a person: counted, sent again, or given up."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import case, func, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.models import Batch
from headrace.states import JobState
from headrace.store.conditions import HELD
from headrace.store.finishing import NOT_RETRIED, finish
from headrace.store.tables import jobs


def counts(session: Session, api_key_id: str, batch_ids: Collection[str]) -> dict[str, int]:
    """How many jobs of these batches of a key are held; those that have none are left out."""
    counted = select(jobs.c.batch_id, func.count().label("held")).group_by(jobs.c.batch_id)
    chosen = counted.where(HELD, jobs.c.api_key_id == api_key_id, jobs.c.batch_id.in_(batch_ids))
    return {row.batch_id: row.held for row in session.execute(chosen)}


def unhold_one(session: Session, job_id: int, to: JobState) -> str | None:
    """Let one held job go to `queued` or `failed`; returns its lane, None when it is not held."""
    let_go = _unhold(session, [jobs.c.id == job_id], 1, to)
    return let_go[0].lane if let_go else None


def unhold_slice(session: Session, batch: Batch, to: JobState, *, after: int, limit: int) -> Sequence[Any]:
    """The same for up to `limit` held jobs of a batch behind the job `after`; returns `id` and `lane`."""
    chosen = [jobs.c.api_key_id == batch.api_key_id, jobs.c.batch_id == batch.id, jobs.c.id > after]
    return _unhold(session, chosen, limit, to)


def _unhold(session: Session, chosen: Sequence[Any], limit: int, to: JobState) -> Sequence[Any]:
    found = select(jobs.c.id, jobs.c.batch_id, jobs.c.lane).where(HELD, *chosen)
    rows: Sequence[Any] = session.execute(found.order_by(jobs.c.id).limit(limit).with_for_update()).all()
    if to is JobState.FAILED:
        finish(session, rows, to, now(), NOT_RETRIED)
    elif rows:
        _queue(session, [row.id for row in rows])
    return rows


def _queue(session: Session, job_ids: Sequence[int]) -> None:
    """Due at once; with an attempt more if none was left, and with its crashes forgiven."""
    used_up = jobs.c.attempts >= jobs.c.max_attempts
    again = update(jobs).where(jobs.c.id.in_(job_ids))
    again = again.values(
        state=JobState.QUEUED,
        run_at=now(),
        crashes=0,
        max_attempts=case((used_up, jobs.c.attempts + 1), else_=jobs.c.max_attempts),
    )
    session.execute(again)
