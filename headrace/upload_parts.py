"""The bytes of an upload's parts, once it has ended: they go, and then their rows."""

from pathlib import Path

from headrace.db import Database
from headrace.files import remove
from headrace.store import uploads


def drop_parts(db: Database, folder: Path, limit: int, upload_id: str | None = None) -> int:
    """Forget up to `limit` parts of uploads that have ended, of all or of one; returns how many.

    Safe to break off, to repeat, and to do twice at once: a part has its row until its bytes are gone.
    Raises OSError.
    """
    with db.read() as session:
        useless = uploads.useless_parts(session, limit, upload_id)
    for part_id in useless:
        remove(folder, part_id)
    if useless:
        with db.begin() as session:
            uploads.forget_parts(session, useless)
    return len(useless)
