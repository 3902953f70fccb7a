"""A job's life up to its call: submitted, claimed, departed, or put back. `docs/states.md` draws it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, insert, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.ids import new_id
from headrace.states import JobState
from headrace.store.finishing import finish
from headrace.store.locking import lock
from headrace.store.tables import attempts, jobs


@dataclass(frozen=True, slots=True)
class NewJob:
    """One completion to be made. `line` is its 1-based place in its file or list."""

    line: int
    custom_id: str | None
    endpoint: str
    lane: str
    body: str
    prompt_estimate: int
    completion_cap: int | None


class Claim(NamedTuple):
    """A job that this process holds until it lands, is released, or the process is given up for dead."""

    job_id: int
    token: str
    batch_id: str | None
    endpoint: str
    lane: str
    body: str
    prompt_estimate: int
    completion_cap: int | None
    attempts: int
    max_attempts: int
    calls: int


class Departure(NamedTuple):
    """A claimed job about to be called, and the tokens its booking holds."""

    claim: Claim
    attempt_id: str
    tokens_booked: int


def submit(
    session: Session,
    new: Sequence[NewJob],
    *,
    api_key_id: str,
    batch_id: str,
    max_attempts: int,
) -> None:
    """The jobs of one slice of a batch's input, due at once."""
    session.execute(insert(jobs), _rows(new, api_key_id, batch_id, max_attempts))


def submit_inline(
    session: Session, new: Sequence[NewJob], *, api_key_id: str, max_attempts: int
) -> list[int]:
    """Jobs without a batch, due at once; returns their ids in the order given."""
    statement = insert(jobs).returning(jobs.c.id, sort_by_parameter_order=True)
    return list(session.execute(statement, _rows(new, api_key_id, None, max_attempts)).scalars())


def claim(session: Session, lane: str, limit: int, worker_id: str) -> list[Claim]:
    """Lease up to `limit` due jobs of a lane, oldest first. Claimers never wait for each other's rows."""
    at = now()
    due = select(jobs.c.id).where(jobs.c.lane == lane, jobs.c.state == JobState.QUEUED, jobs.c.run_at <= at)
    due = due.order_by(jobs.c.run_at, jobs.c.id).limit(limit).with_for_update(skip_locked=True)
    ids = session.execute(due).scalars().all()
    if not ids:
        return []
    token = new_id("")
    leased = update(jobs).where(jobs.c.id.in_(ids), jobs.c.state == JobState.QUEUED)
    leased = leased.values(state=JobState.RUNNING, lease_token=token, worker_id=worker_id)
    fields = [jobs.c.id, *(jobs.c[name] for name in Claim._fields[2:])]
    rows = session.execute(leased.returning(*fields)).all()
    return sorted(Claim(row[0], token, *row[1:]) for row in rows)


def next_due(session: Session, lane: str) -> datetime | None:
    """When the lane's next queued job is due; None when none is queued."""
    soonest = select(jobs.c.run_at).where(jobs.c.lane == lane, jobs.c.state == JobState.QUEUED)
    return session.execute(soonest.order_by(jobs.c.run_at).limit(1)).scalar()


def depart(session: Session, leaving: Sequence[Departure], worker_id: str) -> set[int]:
    """Write the attempts that are about to be called; returns the ids of the jobs that may go.

    The fence: a job whose lease was taken over stays behind, one whose batch was cancelled ends here, and
    one whose batch is past its window goes back to be expired.
    """
    at = now()
    tokens = {leaves.claim.job_id: leaves.claim.token for leaves in leaving}
    ours = [row for row in lock(session, tokens).values() if row.lease_token == tokens[row.id]]
    _turn_back(session, [row for row in ours if row.cancelled or row.overdue], at)
    going = {row.id for row in ours if not row.cancelled and not row.overdue}
    if not going:
        return going
    sent = update(jobs).where(jobs.c.id.in_(going))
    session.execute(sent.values(attempts=jobs.c.attempts + 1, calls=jobs.c.calls + 1))
    session.execute(
        insert(attempts),
        [
            {
                "id": leaves.attempt_id,
                "job_id": leaves.claim.job_id,
                "number": leaves.claim.calls + 1,
                "worker_id": worker_id,
                "departed_at": at,
                "tokens_booked": leaves.tokens_booked,
            }
            for leaves in leaving
            if leaves.claim.job_id in going
        ],
    )
    return going


def release(session: Session, claims: Sequence[Claim], run_at: datetime) -> None:
    """Put claimed jobs that never departed back into their lane, due at `run_at`."""
    held = [claimed.job_id for claimed in claims]
    tokens = {claimed.token for claimed in claims}
    back = update(jobs).where(jobs.c.id.in_(held), jobs.c.lease_token.in_(tokens))
    session.execute(back.values(state=JobState.QUEUED, lease_token=None, worker_id=None, run_at=run_at))


def cancel_one(session: Session, job_id: int) -> None:
    """Cancel a waiting job; mark a running one, which ends when its call does. A final job stays as it is."""
    row = session.execute(_waiting(job_id)).first()
    if row is not None:
        finish(session, [row], JobState.CANCELLED, now())
        return
    running = update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING)
    session.execute(running.values(cancel_requested=True))


def _rows(
    new: Sequence[NewJob], api_key_id: str, batch_id: str | None, max_attempts: int
) -> list[dict[str, Any]]:
    """Spelled out in full, since what a column's default says holds for models, not for Core."""
    at = now()
    shared = {
        "api_key_id": api_key_id,
        "batch_id": batch_id,
        "max_attempts": max_attempts,
    }
    start = {"state": JobState.QUEUED, "run_at": at, "created_at": at}
    return [{**asdict(job), **shared, **start} for job in new]


def _waiting(job_id: int) -> Select[Any]:
    waiting = (JobState.QUEUED, JobState.BLOCKED, JobState.HELD)
    chosen = select(jobs.c.id, jobs.c.batch_id).where(jobs.c.id == job_id, jobs.c.state.in_(waiting))
    return chosen.with_for_update()


def _turn_back(session: Session, rows: Sequence[Any], at: datetime) -> None:
    """Cancelled jobs end here, overdue ones wait for the sweep that expires them."""
    finish(session, [row for row in rows if row.cancelled], JobState.CANCELLED, at)
    overdue = [row.id for row in rows if not row.cancelled]
    if overdue:
        back = update(jobs).where(jobs.c.id.in_(overdue))
        session.execute(back.values(state=JobState.QUEUED, lease_token=None, worker_id=None))
