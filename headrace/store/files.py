"""Rows of uploaded and produced files. Their bytes are `headrace.files`' business."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete as delete_rows
from sqlalchemy import exists, func, tuple_
from sqlmodel import Session, col, or_, select

from headrace.clock import now
from headrace.ids import MILLISECOND, time_of
from headrace.models import Batch, File, UploadPart
from headrace.states import BATCH_FINAL, BatchStatus
from headrace.store.tables import batches
from headrace.store.tables import files as rows

UNFINISHED = frozenset(BatchStatus) - BATCH_FINAL
ENDS = (Batch.completed_at, Batch.expired_at, Batch.cancelled_at)
PLACE = (rows.c.created_at, rows.c.id)  # in the list


def add(session: Session, file: File) -> None:
    """Record a file whose bytes are in place."""
    session.add(file)
    session.flush()


def get(session: Session, api_key_id: str, file_id: str) -> File | None:
    """The file, if it is this key's; also when its time is over."""
    return session.exec(select(File).where(File.id == file_id, File.api_key_id == api_key_id)).first()


def find(session: Session, api_key_id: str, file_id: str) -> File | None:
    """The file, if it is this key's and its time is not over."""
    file = get(session, api_key_id, file_id)
    return None if file is None or _is_over(file, now()) else file


def list_page(
    session: Session,
    api_key_id: str,
    *,
    after: str | None,
    limit: int,
    newest_first: bool,
    purpose: str | None,
) -> list[File]:
    """Up to `limit` files in the order of their creation, behind the file `after`, without expired ones.

    That file may be gone: then behind the end of the batch that left it, or the time in its id, which is when
    its upload began.
    """
    alive = or_(col(File.expires_at).is_(None), col(File.expires_at) > now())
    wanted = select(File).where(File.api_key_id == api_key_id, alive)
    if purpose:
        wanted = wanted.where(File.purpose == purpose)
    if after:
        place = tuple_(*PLACE)
        seen = _place(session, api_key_id, after, newest_first=newest_first)
        wanted = wanted.where(place < seen if newest_first else place > seen)
    order = [column.desc() if newest_first else column.asc() for column in PLACE]
    return list(session.exec(wanted.order_by(*order).limit(limit)))


def unfinished_batch_of(session: Session, api_key_id: str, file_id: str) -> str | None:
    """The key's batch that still reads this file as its input, if any; no new one does before our commit."""
    session.exec(select(File.id).where(File.id == file_id).with_for_update())
    using = select(Batch.id).where(Batch.api_key_id == api_key_id, Batch.input_file_id == file_id)
    using = using.where(col(Batch.status).not_in(BATCH_FINAL))
    return session.exec(using.limit(1)).first()


def input_of(session: Session, batch: Batch) -> File | None:
    """The batch's input, if it is one of its key's for batches, and was not over when the batch was made."""
    file = get(session, batch.api_key_id, batch.input_file_id)
    if file is None or file.purpose != "batch" or _is_over(file, batch.created_at):
        return None
    return file


def needed(session: Session, ids: Collection[str]) -> set[str]:
    """Those of `ids` that are files or parts with a row, or get one when an unfinished batch is published."""
    named = set(session.exec(select(File.id).where(col(File.id).in_(ids))))
    named |= set(session.exec(select(UploadPart.id).where(col(UploadPart.id).in_(ids))))
    makers = {file_id: _maker(file_id) for file_id in ids}
    unfinished = col(Batch.status).not_in(BATCH_FINAL)
    making = set(session.exec(select(Batch.id).where(col(Batch.id).in_(makers.values()), unfinished)))
    return named | {file_id for file_id, batch_id in makers.items() if batch_id in making}


def expire(session: Session, limit: int) -> list[str]:
    """Forget up to `limit` files whose time is over; returns their ids.

    One that is the input of an unfinished batch of its key stays until that ends. No other batch comes to
    read one of them before our commit.
    """
    reading = exists().where(
        batches.c.input_file_id == rows.c.id,
        batches.c.api_key_id == rows.c.api_key_id,
        batches.c.status.in_(UNFINISHED),
    )
    over = select(rows.c.id).where(rows.c.expires_at <= now(), ~reading).order_by(rows.c.expires_at)
    locked = session.execute(over.limit(limit).with_for_update(of=rows, skip_locked=True)).scalars().all()
    gone = delete_rows(rows).where(rows.c.id.in_(locked), ~reading)  # as of now that they are locked
    return list(session.execute(gone.returning(rows.c.id)).scalars())


def delete(session: Session, file: File) -> None:
    """Forget a file."""
    session.delete(file)


def _place(session: Session, api_key_id: str, file_id: str, *, newest_first: bool) -> tuple[datetime, str]:
    """Where in the list a file is, or was: those that a batch left came when it ended."""
    file = get(session, api_key_id, file_id)
    if file is not None:
        return file.created_at, file_id
    ended = select(func.coalesce(*ENDS)).where(Batch.id == _maker(file_id), Batch.api_key_id == api_key_id)
    came = session.exec(ended).first()
    if came is not None:
        return came, file_id
    began = time_of(file_id, "file-")
    return (began + MILLISECOND if newest_first else began), ""


def _maker(file_id: str) -> str:
    """The batch that left the file, if any did."""
    return f"batch_{file_id.removeprefix('file-')[:-1]}"


def _is_over(file: File, at: datetime) -> bool:
    return file.expires_at is not None and file.expires_at <= at
