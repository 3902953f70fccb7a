"""The bytes of an upload's parts, once it has ended: they go, and then their rows."""

import logging
from pathlib import Path

from headrace.db import Database
from headrace.files import remove
from headrace.store import uploads

log = logging.getLogger(__name__)


def drop_parts(db: Database, folder: Path, limit: int, upload_id: str | None = None) -> int:
    """Forget up to `limit` parts of uploads that have ended, of all or of one; returns how many.

    Safe to break off, to repeat, and to do twice at once: a part has its row until its bytes are gone.
    """
    with db.read() as session:
        useless = uploads.useless_parts(session, limit, upload_id)
    gone = [part_id for part_id in useless if _is_removed(folder, part_id)]
    if gone:
        with db.begin() as session:
            uploads.forget_parts(session, gone)
    return len(gone)


def _is_removed(folder: Path, part_id: str) -> bool:
    """Bytes that stay hold up no others."""
    try:
        remove(folder, part_id)
    except OSError as error:
        log.warning("the bytes of %s stay for now: %s", part_id, error)
        return False
    return True
