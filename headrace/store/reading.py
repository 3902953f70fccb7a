"""Jobs as their owners see them: one, a page of them, a page of results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import defer
from sqlmodel import Session, col
from sqlmodel import select as select_model

from headrace.models import Attempt, Job
from headrace.states import JobState
from headrace.store.conditions import in_state
from headrace.store.tables import jobs

RESULT_FIELDS = (
    "id",
    "result_no",
    "line",
    "custom_id",
    "state",
    "status_code",
    "request_id",
    "answer",
    "error_code",
    "error_message",
)

TEXTS: tuple[Any, ...] = (Job.body, Job.answer)  # each may be megabytes, and lists show neither
WITHOUT_TEXTS = tuple(defer(text, raiseload=True) for text in TEXTS)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs to list; None is any."""

    batch_id: str | None = None
    state: JobState | None = None


def job(session: Session, api_key_id: str, job_id: int) -> Job | None:
    """The job, if it is this key's."""
    return session.exec(select_model(Job).where(Job.id == job_id, Job.api_key_id == api_key_id)).first()


def jobs_page(session: Session, api_key_id: str, chosen: Filter, *, after: int, limit: int) -> list[Job]:
    """Up to `limit` jobs by id, behind the job `after` (0: from the start), without their texts.

    Within a batch, `after` is one of its jobs: behind any other there is nothing.
    """
    wanted = select_model(Job).options(*WITHOUT_TEXTS).where(Job.api_key_id == api_key_id)
    if chosen.batch_id is not None:
        # By lines, in the order of ids: they are inserted one after another, and have an index.
        wanted = wanted.where(Job.batch_id == chosen.batch_id, col(Job.line) > _line_of(chosen, after))
        wanted = wanted.order_by(col(Job.line))
    else:
        wanted = wanted.where(col(Job.id) > after).order_by(col(Job.id))
    if chosen.state is not None:
        wanted = wanted.where(in_state(chosen.state))
    return list(session.exec(wanted.limit(limit)))


def is_in(session: Session, batch_id: str, job_id: int) -> bool:
    """Whether the job belongs to the batch."""
    return (
        session.exec(select_model(Job.id).where(Job.id == job_id, Job.batch_id == batch_id)).first()
        is not None
    )


def _line_of(chosen: Filter, job_id: int) -> Any:
    if not job_id:
        return 0
    return (
        select(jobs.c.line).where(jobs.c.id == job_id, jobs.c.batch_id == chosen.batch_id).scalar_subquery()
    )


def jobs_with(session: Session, job_ids: Sequence[int]) -> list[Job]:
    """These jobs by id, without their texts."""
    wanted = select_model(Job).options(*WITHOUT_TEXTS).where(col(Job.id).in_(job_ids))
    return list(session.exec(wanted.order_by(col(Job.id))))


def attempts_of(session: Session, job_id: int) -> list[Attempt]:
    """All calls made for a job, first to last."""
    wanted = select_model(Attempt).where(Attempt.job_id == job_id)
    return list(session.exec(wanted.order_by(col(Attempt.number))))


def results(session: Session, batch_id: str, *, after: int, limit: int) -> Sequence[Any]:
    """Up to `limit` finished jobs of a batch behind result number `after`, with `RESULT_FIELDS`.

    Numbers are given in the order of commits (see `batches.add`): whoever reads on from the last number
    seen misses nothing.
    """
    wanted = select(*(jobs.c[name] for name in RESULT_FIELDS))
    wanted = wanted.where(jobs.c.batch_id == batch_id, jobs.c.result_no > after)
    return session.execute(wanted.order_by(jobs.c.result_no).limit(limit)).all()
