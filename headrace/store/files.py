"""Rows of uploaded and produced files. Their bytes are `headrace.files`' business."""

from collections.abc import Collection

from sqlmodel import Session, col, or_, select

from headrace.clock import now
from headrace.models import Batch, File
from headrace.states import BATCH_FINAL


def add(session: Session, file: File) -> None:
    """Record a file whose bytes are in place."""
    session.add(file)
    session.flush()


def get(session: Session, api_key_id: str, file_id: str) -> File | None:
    """The file, if it is this key's."""
    return session.exec(select(File).where(File.id == file_id, File.api_key_id == api_key_id)).first()


def list_page(
    session: Session,
    api_key_id: str,
    *,
    after: str | None,
    limit: int,
    newest_first: bool,
    purpose: str | None,
) -> list[File]:
    """Up to `limit` files in the order of their creation, behind the file `after`, without expired ones."""
    alive = or_(col(File.expires_at).is_(None), col(File.expires_at) > now())
    wanted = select(File).where(File.api_key_id == api_key_id, alive)
    if purpose:
        wanted = wanted.where(File.purpose == purpose)
    if after:
        wanted = wanted.where(col(File.id) < after if newest_first else col(File.id) > after)
    order = col(File.id).desc() if newest_first else col(File.id).asc()
    return list(session.exec(wanted.order_by(order).limit(limit)))


def unfinished_batch_of(session: Session, api_key_id: str, file_id: str) -> str | None:
    """The key's batch that still reads this file as its input, if any; no new one does before our commit."""
    session.exec(select(File.id).where(File.id == file_id).with_for_update())
    using = select(Batch.id).where(Batch.api_key_id == api_key_id, Batch.input_file_id == file_id)
    using = using.where(col(Batch.status).not_in(BATCH_FINAL))
    return session.exec(using.limit(1)).first()


def needed(session: Session, file_ids: Collection[str]) -> set[str]:
    """Those of `file_ids` that have a row, or get one when an unfinished batch is published."""
    named = set(session.exec(select(File.id).where(col(File.id).in_(file_ids))))
    makers = {file_id: f"batch_{file_id.removeprefix('file-')[:-1]}" for file_id in file_ids}
    unfinished = col(Batch.status).not_in(BATCH_FINAL)
    making = set(session.exec(select(Batch.id).where(col(Batch.id).in_(makers.values()), unfinished)))
    return named | {file_id for file_id, batch_id in makers.items() if batch_id in making}


def delete(session: Session, file: File) -> None:
    """Forget a file."""
    session.delete(file)
