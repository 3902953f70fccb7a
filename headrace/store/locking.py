"""Jobs read under lock, in one order everywhere, with what decides about them."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, func, or_, select
from sqlmodel import Session

from headrace.clock import now
from headrace.states import BatchStatus
from headrace.store.among import among
from headrace.store.tables import batches, jobs


def lock(session: Session, job_ids: Collection[int]) -> dict[int, Any]:
    """The jobs and their batches as they are now, unchanged by others until our commit.

    `cancelled`: somebody asked for the job's or its batch's end. `overdue`: the batch's window is over.
    `hold_ambiguous`: a job of it waits for a person when nobody knows how its call ended.
    """
    found = session.execute(_WANTED, {"job_ids": job_ids, "at": now()})
    rows = {row.id: row for row in found}
    batch_ids = {row.batch_id for row in rows.values() if row.batch_id}
    if len(batch_ids) > 1:
        ordered = select(batches.c.id).where(batches.c.id.in_(batch_ids)).order_by(batches.c.id)
        session.execute(ordered.with_for_update(key_share=True))
    return rows


def _wanted() -> Any:
    at = bindparam("at", type_=batches.c.expires_at.type)
    cancelled = or_(jobs.c.cancel_requested, batches.c.status == BatchStatus.CANCELLING)
    columns = [
        jobs.c[name]
        for name in (
            "id",
            "batch_id",
            "api_key_id",
            "lane",
            "tags_id",
            "state",
            "lease_token",
            "attempts",
            "max_attempts",
            "calls",
            "crashes",
        )
    ]
    return (
        select(
            *columns,
            func.coalesce(cancelled, False).label("cancelled"),
            func.coalesce(batches.c.expires_at <= at, False).label("overdue"),
            func.coalesce(batches.c.hold_ambiguous, False).label("hold_ambiguous"),
            batches.c.budget_nanos,
        )
        .outerjoin_from(jobs, batches)
        .where(among(jobs.c.id, "job_ids"))
        .order_by(jobs.c.id)
        .with_for_update(of=jobs)
    )


_WANTED = _wanted()
