"""Batches: created, ingested, cancelled, summed up, finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Text, Update, bindparam, case, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_model

from headrace.clock import now
from headrace.models import Batch, File
from headrace.states import BatchStatus, JobState
from headrace.store.among import among
from headrace.store.postings import NOTHING, Posting
from headrace.store.tables import batches, files
from headrace.usage import SUMMED

OPEN = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS)
ENDED_AT = {
    BatchStatus.COMPLETED: "completed_at",
    BatchStatus.EXPIRED: "expired_at",
    BatchStatus.CANCELLED: "cancelled_at",
}
JOBS = ("succeeded", "failed", "cancelled", "expired")
MONEY = ("cost_nanos", "doubtful_nanos", "unpriced_calls")
FINISHED = batches.c.succeeded + batches.c.failed + batches.c.cancelled + batches.c.expired
DONE = (batches.c.total == FINISHED, batches.c.ingested == batches.c.total)


@dataclass(slots=True)
class Tally:
    """What one transaction adds to a batch: jobs finished by state, calls, and a word to its owner."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    posting: Posting = NOTHING
    notice: str | None = None

    @property
    def finished(self) -> int:
        """Jobs that reached a final state."""
        return self.succeeded + self.failed + self.cancelled + self.expired


def create(session: Session, batch: Batch) -> None:
    """Record a batch that is to be validated. Its input, if it is there, is not deleted before our commit."""
    source = select(files.c.id).where(
        files.c.id == batch.input_file_id, files.c.api_key_id == batch.api_key_id
    )
    session.execute(source.with_for_update(read=True, key_share=True))
    session.add(batch)
    session.flush()


def get(session: Session, batch_id: str, api_key_id: str | None = None) -> Batch | None:
    """The batch, if it is this key's (or for ourselves, with no key named)."""
    wanted = select_model(Batch).where(Batch.id == batch_id)
    if api_key_id is not None:
        wanted = wanted.where(Batch.api_key_id == api_key_id)
    return session.exec(wanted).first()


def list_page(session: Session, api_key_id: str, *, after: str | None, limit: int) -> list[Batch]:
    """Up to `limit` batches, newest first, behind the batch `after`."""
    wanted = select_model(Batch).where(Batch.api_key_id == api_key_id)
    if after:
        wanted = wanted.where(col(Batch.id) < after)
    return list(session.exec(wanted.order_by(col(Batch.id).desc()).limit(limit)))


def request_cancel(session: Session, batch_id: str) -> bool:
    """Ask an open batch to end; False when it is not open. No call departs after this commits."""
    wanted = update(batches).where(batches.c.id == batch_id, batches.c.status.in_(OPEN))
    marked = wanted.values(status=BatchStatus.CANCELLING, cancelling_at=now()).returning(batches.c.id)
    return session.execute(marked).first() is not None


def fail(session: Session, batch_id: str, errors: list[dict[str, Any]]) -> None:
    """Validation found faults (contract 2.5): nothing will run."""
    wanted = update(batches).where(batches.c.id == batch_id, batches.c.status == BatchStatus.VALIDATING)
    session.execute(wanted.values(status=BatchStatus.FAILED, failed_at=now(), errors=errors))


def begin(session: Session, batch_id: str, *, total: int, model: str | None) -> bool:
    """Validation found `total` good lines: the batch may run. False when it was cancelled meanwhile."""
    wanted = update(batches).where(batches.c.id == batch_id, batches.c.status == BatchStatus.VALIDATING)
    started = wanted.values(status=BatchStatus.IN_PROGRESS, in_progress_at=now(), total=total, model=model)
    return session.execute(started.returning(batches.c.id)).first() is not None


def lock(session: Session, batch_id: str) -> Batch:
    """The batch as it is now, and nobody changes it before our commit."""
    wanted = select_model(Batch).where(Batch.id == batch_id).with_for_update()
    return session.exec(wanted.execution_options(populate_existing=True)).one()


def ingested(session: Session, batch_id: str, *, lines: int, offset: int) -> None:
    """`lines` more lines are rows; the next one begins at byte `offset` of the input."""
    wanted = update(batches).where(batches.c.id == batch_id)
    session.execute(wanted.values(ingested=batches.c.ingested + lines, ingest_offset=offset))


def end_ingest(session: Session, batch_id: str, error: dict[str, Any]) -> None:
    """The lines that are no rows by now never will be: the batch ends with those that are, and says why."""
    errors = [*(lock(session, batch_id).errors or []), error]
    wanted = update(batches).where(batches.c.id == batch_id)
    session.execute(wanted.values(total=batches.c.ingested, errors=errors))


def add(session: Session, batch_id: str, tally: Tally) -> int:
    """Add to the batch's sums; returns how many of its jobs had finished before.

    The row stays locked until the commit, so the results of a batch are numbered in the order of their
    commits, and a reader that saw number n has seen every smaller one.
    """
    return add_all(session, {batch_id: tally})[batch_id]


def add_all(session: Session, tallies: Mapping[str, Tally]) -> dict[str, int]:
    """The same for several batches, in one order everywhere; returns the number for each."""
    if not tallies:
        return {}
    values = [_parameters(batch_id, tally) for batch_id, tally in sorted(tallies.items())]
    if len(values) == 1:
        finished = session.execute(_ADD.returning(*_COUNTED), values[0])
    else:
        session.connection().execute(_ADD, values)
        finished = session.execute(select(*_COUNTED).where(batches.c.id.in_(tallies)))
    return {row.id: row.finished - tallies[row.id].finished for row in finished}


def _parameters(batch_id: str, tally: Tally) -> dict[str, Any]:
    says = bool(tally.notice or tally.succeeded)
    used = tally.posting
    plus = {f"plus_{name}": getattr(tally, name) for name in JOBS}
    plus |= {f"plus_{name}": getattr(used, name) for name in (*SUMMED, *MONEY, "reserved_nanos")}
    plus |= {"plus_ambiguous_calls": used.doubtful_calls, "plus_ambiguous_tokens": used.doubtful_tokens}
    return plus | {"batch_id": batch_id, "says": says, "new_notice": tally.notice}


def _adding() -> Update:
    names = (*JOBS, *SUMMED, *MONEY, "ambiguous_calls", "ambiguous_tokens")
    values: dict[str, Any] = {name: batches.c[name] + bindparam(f"plus_{name}") for name in names}
    reserved = batches.c.reserved_nanos + bindparam("plus_reserved_nanos", type_=BigInteger)
    values["reserved_nanos"] = case((batches.c.budget_nanos.is_not(None), reserved), else_=0)
    said = case(
        (bindparam("says", type_=Boolean), bindparam("new_notice", type_=Text)), else_=batches.c.notice
    )
    return update(batches).where(batches.c.id == bindparam("batch_id")).values(values | {"notice": said})


_ADD = _adding()
_COUNTED = (batches.c.id, FINISHED.label("finished"))
_NOT_FINAL = (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.CANCELLING)
_DONE_OF = select(batches.c.id).where(
    among(batches.c.id, "batch_ids"), *DONE, batches.c.status.in_(_NOT_FINAL)
)


def close_if_done(session: Session, batch_ids: Sequence[str]) -> list[str]:
    """Those of `batch_ids` whose jobs are all final: they are ready to be finalised."""
    if not batch_ids:
        return []
    done = list(session.execute(_DONE_OF, {"batch_ids": batch_ids}).scalars())
    if done:
        in_progress = update(batches).where(batches.c.id.in_(done), *DONE)
        in_progress = in_progress.where(batches.c.status == BatchStatus.IN_PROGRESS)
        session.execute(in_progress.values(status=BatchStatus.FINALIZING, finalizing_at=now()))
    return done


def finish(
    session: Session,
    batch_id: str,
    status: BatchStatus,
    output: File | None,
    errors: File | None,
) -> bool:
    """Publish the batch's files and its final status, once; False when somebody else did.

    It ends when its files come.
    """
    closing = (BatchStatus.FINALIZING, BatchStatus.CANCELLING)
    wanted = update(batches).where(batches.c.id == batch_id, batches.c.status.in_(closing))
    made = [file for file in (output, errors) if file]
    values = {
        "status": status,
        ENDED_AT[status]: made[0].created_at if made else now(),
        "output_file_id": output.id if output else None,
        "error_file_id": errors.id if errors else None,
        "notice": None,
    }
    if session.execute(wanted.values(values).returning(batches.c.id)).first() is None:
        return False
    session.add_all(made)
    return True


def to_ingest(session: Session) -> list[str]:
    """Batches whose lines are not all rows yet."""
    status = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING)
    unread = (batches.c.ingested < batches.c.total) | batches.c.in_progress_at.is_(None)
    return list(session.execute(select(batches.c.id).where(batches.c.status.in_(status), unread)).scalars())


def to_close(session: Session) -> list[str]:
    """Batches whose jobs are all final, and which are not."""
    status = (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.CANCELLING)
    begun = batches.c.in_progress_at.is_not(None)
    wanted = select(batches.c.id).where(batches.c.status.in_(status), begun, *DONE)
    return list(session.execute(wanted).scalars())


def to_empty(session: Session, at: datetime) -> dict[str, JobState]:
    """Batches whose waiting jobs must not run any more, and why: cancelled, or past their window at `at`."""
    overdue = (batches.c.status == BatchStatus.IN_PROGRESS) & (batches.c.expires_at <= at)
    wanted = select(batches.c.id, batches.c.status).where(
        (batches.c.status == BatchStatus.CANCELLING) | overdue
    )
    ends = {
        BatchStatus.CANCELLING: JobState.CANCELLED,
        BatchStatus.IN_PROGRESS: JobState.EXPIRED,
    }
    return {row.id: ends[BatchStatus(row.status)] for row in session.execute(wanted)}
