"""A key's uploads: found, refused when they have ended, and then rid of their parts."""

import logging

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from api.upload_object import status_of
from headrace.db import Database
from headrace.errors import InvalidRequest, NotFound
from headrace.models import Upload
from headrace.settings import Settings
from headrace.states import UploadStatus
from headrace.store import uploads
from headrace.upload_parts import drop_parts

log = logging.getLogger(__name__)

MAX_PARTS = 10_000


def find_upload(session: Session, api_key_id: str, upload_id: str) -> Upload:
    """The key's upload. Raises NotFound."""
    return _there(uploads.get(session, api_key_id, upload_id), upload_id)


def lock_upload(session: Session, api_key_id: str, upload_id: str) -> Upload:
    """The same, and nobody ends it or adds a part before our commit. Raises NotFound."""
    return _there(uploads.lock(session, api_key_id, upload_id), upload_id)


def refuse_unless_pending(upload: Upload) -> None:
    """Raises InvalidRequest for an upload that has ended."""
    status = status_of(upload)
    if status != UploadStatus.PENDING:
        raise InvalidRequest(
            f"Upload '{upload.id}' is {status}, and cannot be changed any more.", param="upload_id"
        )


def drop(database: Database, settings: Settings, upload: Upload) -> None:
    """Remove the parts of an upload that has ended. What fails now is done by the sweep."""
    try:
        drop_parts(database, settings.files_dir, MAX_PARTS, upload.id)
    except SQLAlchemyError:
        log.exception("the parts of %s are left for the sweep", upload.id)


def _there(upload: Upload | None, upload_id: str) -> Upload:
    if upload is None:
        raise NotFound(f"No such Upload object: {upload_id}", param="upload_id")
    return upload
