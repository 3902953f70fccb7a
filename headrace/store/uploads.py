"""Files that come in parts: rows of uploads and of their parts. The bytes are `headrace.files`' business."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, exists, func, select, update
from sqlmodel import Session
from sqlmodel import select as select_model

from headrace.models import File, Upload, UploadPart
from headrace.states import UploadStatus
from headrace.store import files
from headrace.store.tables import upload_parts, uploads

ENDED = frozenset(UploadStatus) - {UploadStatus.PENDING}


def create(session: Session, upload: Upload) -> None:
    """Record an upload that has no part yet."""
    session.add(upload)
    session.flush()


def get(session: Session, api_key_id: str, upload_id: str) -> Upload | None:
    """The upload, if it is this key's."""
    wanted = select_model(Upload).where(Upload.id == upload_id, Upload.api_key_id == api_key_id)
    return session.exec(wanted).first()


def lock(session: Session, api_key_id: str, upload_id: str) -> Upload | None:
    """The key's upload as it is now; nobody ends it or adds a part before our commit."""
    wanted = select_model(Upload).where(Upload.id == upload_id, Upload.api_key_id == api_key_id)
    return session.exec(wanted.with_for_update().execution_options(populate_existing=True)).first()


def add_part(session: Session, part: UploadPart) -> None:
    """Record a part whose bytes are in place, of an upload that is locked and pending."""
    session.add(part)
    session.flush()


def stored(session: Session, upload_id: str) -> tuple[int, int]:
    """How many parts an upload has, and their bytes."""
    sizes = func.count(), func.coalesce(func.sum(upload_parts.c.bytes), 0)
    count, size = session.execute(select(*sizes).where(upload_parts.c.upload_id == upload_id)).one()
    return count, int(size)


def part_sizes(session: Session, upload_id: str) -> dict[str, int]:
    """The bytes of each part of an upload, by its id."""
    wanted = select_model(UploadPart.id, UploadPart.bytes).where(UploadPart.upload_id == upload_id)
    return dict(session.exec(wanted).all())


def complete(session: Session, upload: Upload, file: File) -> None:
    """End an upload that is locked and pending with its file, whose bytes are in place."""
    files.add(session, file)
    upload.file_id = file.id
    upload.status = UploadStatus.COMPLETED
    session.flush()


def cancel(session: Session, upload: Upload) -> None:
    """End an upload that is locked and pending without a file."""
    upload.status = UploadStatus.CANCELLED
    session.flush()


def expire(session: Session, before: datetime, limit: int) -> int:
    """End up to `limit` uploads whose time was over before `before`; returns how many."""
    over = select(uploads.c.id).where(uploads.c.expires_at < before, uploads.c.status == UploadStatus.PENDING)
    over = over.order_by(uploads.c.expires_at).limit(limit).with_for_update(skip_locked=True)
    ids = session.execute(over).scalars().all()
    session.execute(update(uploads).where(uploads.c.id.in_(ids)).values(status=UploadStatus.EXPIRED))
    return len(ids)


def useless_parts(session: Session, limit: int, upload_id: str | None = None) -> list[str]:
    """Up to `limit` parts of uploads that have ended, of all or of one."""
    ended = select(upload_parts.c.id).join_from(upload_parts, uploads)
    ended = ended.where(uploads.c.status.in_(ENDED))
    if upload_id is not None:
        ended = ended.where(uploads.c.id == upload_id)
    return list(session.execute(ended.limit(limit)).scalars())


def forget_parts(session: Session, part_ids: Collection[str]) -> None:
    """Forget parts whose bytes are gone."""
    session.execute(delete(upload_parts).where(upload_parts.c.id.in_(part_ids)))


def forget(session: Session, before: datetime, limit: int) -> int:
    """Forget up to `limit` uploads that have ended, have no part, and were to expire before `before`.

    Returns how many.
    """
    has_part = exists().where(upload_parts.c.upload_id == uploads.c.id)
    old = select(uploads.c.id).where(uploads.c.expires_at < before, uploads.c.status.in_(ENDED), ~has_part)
    old = old.order_by(uploads.c.expires_at).limit(limit)
    gone = delete(uploads).where(uploads.c.id.in_(old.scalar_subquery()))
    return len(session.execute(gone.returning(uploads.c.id)).all())
