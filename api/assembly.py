"""An upload is completed: its parts become a file, once, however often and by whoever it is asked for."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from sqlmodel import Session

from api.batch_input import check_first_line
from api.file_object import expiry
from api.intake import PIECE_BYTES, check_room, storing
from api.upload_object import Completion, UploadObject
from api.upload_rows import drop, find_upload, lock_upload, refuse_unless_pending
from headrace.clock import now
from headrace.db import Database
from headrace.errors import InvalidRequest, Unavailable
from headrace.failpoints import failpoint
from headrace.files import path_of, remove, writing
from headrace.ids import new_id
from headrace.models import File, Upload
from headrace.settings import Settings
from headrace.states import UploadStatus
from headrace.store import files, uploads

MARK_CHARACTERS = 16


def completed(
    database: Database, settings: Settings, api_key_id: str, upload_id: str, wanted: Completion
) -> UploadObject:
    """The upload with its file: assembled now, or by an earlier request for the same parts.

    Raises RequestError when they do not make the file that was announced, or there is no room for it.
    """
    with database.read() as session:
        upload = find_upload(session, api_key_id, upload_id)
        if upload.status == UploadStatus.COMPLETED:
            return _completed_before(session, upload, wanted)
        refuse_unless_pending(upload)
        sizes = uploads.part_sizes(session, upload.id)
    _check_parts(upload, sizes, wanted.part_ids)
    file = _new_file(upload, wanted.part_ids)
    is_whole = _assembled(settings, upload, file, wanted)
    failpoint("stored")
    with database.begin() as session:
        upload = lock_upload(session, api_key_id, upload_id)
        is_ours = upload.status == UploadStatus.PENDING
        if is_ours:
            if not is_whole:
                raise Unavailable(
                    f"the bytes of a part of {upload.id} are not there: is a volume not mounted?"
                )
            file.created_at = now()
            file.expires_at = expiry(upload.purpose, file.created_at, upload.file_seconds)
            uploads.complete(session, upload, file)
    if is_ours:
        drop(database, settings, upload)
        return UploadObject.of(upload, file)
    if upload.file_id != file.id:
        remove(settings.files_dir, file.id)
    return completed(database, settings, api_key_id, upload_id, wanted)  # as the one that was faster left it


def _completed_before(session: Session, upload: Upload, wanted: Completion) -> UploadObject:
    if upload.file_id is None or not upload.file_id.endswith(_mark(upload, wanted.part_ids)):
        message = f"Upload '{upload.id}' is completed already, of other parts."
        raise InvalidRequest(message, param="part_ids", code="invalid_value")
    return UploadObject.of(upload, files.find(session, upload.api_key_id, upload.file_id))


def _check_parts(upload: Upload, sizes: Mapping[str, int], part_ids: Sequence[str]) -> None:
    unknown = [part_id for part_id in part_ids if part_id not in sizes]
    if unknown:
        raise _bad_parts(f"Upload '{upload.id}' has no part '{unknown[0][:64]}'.")
    twice = [part_id for part_id, times in Counter(part_ids).items() if times > 1]
    if twice:
        raise _bad_parts(f"The part '{twice[0]}' is named twice.")
    total = sum(sizes[part_id] for part_id in part_ids)
    if total != upload.bytes:
        raise _bad_parts(f"The parts have {total} bytes together; the upload was to have {upload.bytes}.")


def _bad_parts(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="part_ids", code="invalid_value")


def _new_file(upload: Upload, part_ids: Sequence[str]) -> File:
    """Its id ends with a mark of its parts, by which a repeated request is told from another one."""
    return File(
        id=new_id("file-")[:-MARK_CHARACTERS] + _mark(upload, part_ids),
        api_key_id=upload.api_key_id,
        purpose=upload.purpose,
        filename=upload.filename,
        bytes=upload.bytes,
    )


def _mark(upload: Upload, part_ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([upload.id, *part_ids]).encode()).hexdigest()[:MARK_CHARACTERS]


def _assembled(settings: Settings, upload: Upload, file: File, wanted: Completion) -> bool:
    """Write the file's bytes, if they are what they should be; False when those of a part are gone."""
    with storing():
        check_room(settings, upload.bytes)
        try:
            with writing(settings.files_dir, file.id) as out:
                _write(settings, wanted, out)
                if upload.purpose == "batch":
                    out.flush()
                    check_first_line(Path(out.name), settings.max_body_bytes)
        except FileNotFoundError:
            return False
    return True


def _write(settings: Settings, wanted: Completion, out: BinaryIO) -> None:
    md5 = hashlib.md5(usedforsecurity=False)
    for piece in _pieces(settings.files_dir, wanted.part_ids):
        check_room(settings, len(piece))
        out.write(piece)
        if wanted.md5 is not None:
            md5.update(piece)
    if wanted.md5 is not None and wanted.md5.lower() != md5.hexdigest():
        message = f"The file's MD5 is {md5.hexdigest()}, and not the one that was given."
        raise InvalidRequest(message, param="md5", code="invalid_value")


def _pieces(folder: Path, part_ids: Sequence[str]) -> Iterator[bytes]:
    for part_id in part_ids:
        with path_of(folder, part_id).open("rb") as part:
            while piece := part.read(PIECE_BYTES):
                yield piece
