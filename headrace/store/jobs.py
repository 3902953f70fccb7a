"""A job's life up to its call: submitted, claimed, departed, or put back. `docs/states.md` draws it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session

from headrace.clock import now
from headrace.ids import new_id
from headrace.states import FINAL, JobState
from headrace.store.accounts import HAS_BUDGETS
from headrace.store.admission import Leaving, admit
from headrace.store.among import among
from headrace.store.bulk import insert_many
from headrace.store.finishing import finish
from headrace.store.locking import lock
from headrace.store.priorities import next_ids
from headrace.store.tables import attempts, jobs


class NewJob(NamedTuple):
    """One completion to be made. `line` is its 1-based place in its file or list.

    `tokens_at_most`, `open_answers` and `prompt_at_most` are its `headrace.tokens.Bound`.
    """

    line: int
    custom_id: str | None
    endpoint: str
    lane: str
    body: str
    prompt_estimate: int
    completion_cap: int | None
    tokens_at_most: int = 0
    open_answers: int = 0
    prompt_at_most: int = 0
    tags_id: str = ""


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
    tokens_at_most: int
    open_answers: int
    prompt_at_most: int
    attempts: int
    max_attempts: int
    calls: int


class Departure(NamedTuple):
    """A claimed job about to be called, the tokens its booking holds, and the most the call can cost.

    `price_id` is what it is called at; `cost_at_most_nanos` is None where that price is not known.
    """

    claim: Claim
    attempt_id: str
    tokens_booked: int
    tokens_at_most: int = 0
    price_id: str | None = None
    cost_at_most_nanos: int | None = None


_LEASED = (
    update(jobs)
    .where(among(jobs.c.id, "job_ids"), jobs.c.state == JobState.QUEUED)
    .values(state=JobState.RUNNING, lease_token=bindparam("token"), worker_id=bindparam("worker"))
    .returning(jobs.c.priority, jobs.c.id, *(jobs.c[name] for name in Claim._fields[2:]))
)
_SENT = (
    update(jobs)
    .where(among(jobs.c.id, "job_ids"))
    .values(attempts=jobs.c.attempts + 1, calls=jobs.c.calls + 1)
    .returning(HAS_BUDGETS)
)
_WRITTEN = select(attempts.c.id).where(among(attempts.c.id, "attempt_ids"))


def submit(
    session: Session,
    new: Sequence[NewJob],
    *,
    api_key_id: str,
    batch_id: str,
    max_attempts: int,
    priority: int = 0,
) -> None:
    """The jobs of one slice of a batch's input, due at once."""
    shared = {
        "api_key_id": api_key_id,
        "batch_id": batch_id,
        "max_attempts": max_attempts,
        "priority": priority,
    }
    insert_many(session, jobs, NewJob._fields, new, shared | _start())


def submit_inline(
    session: Session, new: Sequence[NewJob], *, api_key_id: str, max_attempts: int
) -> list[int]:
    """Jobs without a batch, due at once; returns their ids in the order given."""
    statement = insert(jobs).returning(jobs.c.id, sort_by_parameter_order=True)
    shared = {"api_key_id": api_key_id, "max_attempts": max_attempts} | _start()
    return list(session.execute(statement, [job._asdict() | shared for job in new]).scalars())


def claim(session: Session, lane: str, limit: int, worker_id: str) -> list[Claim]:
    """Lease up to `limit` due jobs of a lane: by priority, the highest first, then the oldest.

    Claimers never wait for each other's rows. Whoever was given up for dead gets none before it is
    registered again: they would be taken for orphans.
    """
    ids = next_ids(session, lane, limit, worker_id)
    if not ids:
        return []
    token = new_id("")
    rows = session.execute(_LEASED, {"job_ids": ids, "token": token, "worker": worker_id}).all()
    ordered = sorted(rows, key=lambda row: (-row.priority, row.id))
    return [Claim(row.id, token, *row[2:]) for row in ordered]


def next_due(session: Session, lane: str) -> datetime | None:
    """When the lane's next queued job is due; None when none is queued."""
    soonest = select(jobs.c.run_at).where(jobs.c.lane == lane, jobs.c.state == JobState.QUEUED)
    return session.execute(soonest.order_by(jobs.c.run_at).limit(1)).scalar()


def depart(session: Session, leaving: Sequence[Departure], worker_id: str) -> set[str]:
    """Write the attempts that are about to be called; returns the ids of those that may go.

    The fence: a departure whose lease was taken over stays behind, and a job whose batch was cancelled or is
    past its window ends here. One that its budget has no room for waits, or is held. Departures may be
    written again when nobody knows whether they were.
    """
    at = now()
    rows = lock(session, {leaves.claim.job_id for leaves in leaving})
    ours = [leaves for leaves in leaving if _is_held(rows.get(leaves.claim.job_id), leaves.claim.token)]
    gone = _already_gone(session, ours)
    waiting = [(leaves, rows[leaves.claim.job_id]) for leaves in ours if leaves.attempt_id not in gone]
    going = [leaves for leaves, row in waiting if not row.cancelled and not row.overdue]
    finish(session, [row for _, row in waiting if row.cancelled], JobState.CANCELLED, at)
    finish(session, [row for _, row in waiting if row.overdue and not row.cancelled], JobState.EXPIRED, at)
    return gone | _send(session, going, rows, worker_id, at)


def release(session: Session, claims: Sequence[Claim], run_at: datetime) -> None:
    """Put claimed jobs that never departed back into their lane, due at `run_at`; cancelled ones end here."""
    tokens = {claimed.job_id: claimed.token for claimed in claims}
    ours = [row for row in lock(session, tokens).values() if row.lease_token == tokens[row.id]]
    finish(session, [row for row in ours if row.cancelled], JobState.CANCELLED, now())
    back = update(jobs).where(jobs.c.id.in_([row.id for row in ours if not row.cancelled]))
    session.execute(back.values(state=JobState.QUEUED, lease_token=None, worker_id=None, run_at=run_at))


def cancel_one(session: Session, job_id: int) -> None:
    """Cancel a waiting job; mark a running one, which ends when its call does. A final job stays as it is."""
    found = select(jobs.c.id, jobs.c.batch_id, jobs.c.state).where(jobs.c.id == job_id).with_for_update()
    row = session.execute(found).first()
    if row is None or row.state in FINAL:
        return
    if row.state == JobState.RUNNING:
        session.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True))
    else:
        finish(session, [row], JobState.CANCELLED, now())


def _start() -> dict[str, Any]:
    at = now()
    return {"state": JobState.QUEUED.value, "run_at": at, "created_at": at}


def _is_held(row: Any, token: str) -> bool:
    return row is not None and row.lease_token == token


def _already_gone(session: Session, leaving: Sequence[Departure]) -> set[str]:
    """Attempts that are written: the commit before was not acknowledged."""
    attempt_ids = [leaves.attempt_id for leaves in leaving]
    return set(session.execute(_WRITTEN, {"attempt_ids": attempt_ids}).scalars())


def _send(
    session: Session, leaving: Sequence[Departure], rows: Mapping[int, Any], worker_id: str, at: datetime
) -> set[str]:
    if not leaving:
        return set()
    _write_attempts(session, leaving, worker_id, at)
    sent = {leaves.attempt_id: rows[leaves.claim.job_id] for leaves in leaving}
    asked = {
        "job_ids": [row.id for row in sent.values()],
        "batch_ids": {row.batch_id for row in sent.values() if row.batch_id},
        "key_ids": {row.api_key_id for row in sent.values()},
    }
    if not any(session.execute(_SENT, asked).scalars()):
        return set(sent)
    bounds = [
        Leaving(leaves.attempt_id, leaves.cost_at_most_nanos, sent[leaves.attempt_id]) for leaves in leaving
    ]
    return admit(session, bounds, at)


def _write_attempts(session: Session, leaving: Sequence[Departure], worker_id: str, at: datetime) -> None:
    rows = [
        (
            leaves.attempt_id,
            leaves.claim.job_id,
            leaves.claim.calls + 1,
            leaves.tokens_booked,
            leaves.tokens_at_most,
            leaves.price_id,
            leaves.cost_at_most_nanos,
        )
        for leaves in leaving
    ]
    names = ("id", "job_id", "number", "tokens_booked", "tokens_at_most", "price_id", "cost_at_most_nanos")
    insert_many(session, attempts, names, rows, {"worker_id": worker_id, "departed_at": at})
