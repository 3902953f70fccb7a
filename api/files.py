"""Files as their owners list, read and delete them (contract 1.1 to 1.5)."""

import logging
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from sqlmodel import Session

from api.deps import CallerDep, DatabaseDep, SettingsDep
from api.file_object import FileDeleted, FileObject, KnownPurpose
from api.refusals import refuses
from api.schemas import Page
from api.stored_file import FILE, RANGES, StoredFile
from headrace import files as stored
from headrace.errors import Conflict, NotFound
from headrace.ids import FORM
from headrace.models import File
from headrace.store import files

log = logging.getLogger(__name__)

router = APIRouter(tags=["files"])

FILE_ID = f"file-{FORM}[eo]?"  # o and e: what batches leave


@router.get("/files")
def list_files(
    key: CallerDep,
    database: DatabaseDep,
    after: Annotated[str | None, Query(pattern=f"^({FILE_ID})?$")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    purpose: KnownPurpose | None = None,
) -> Page[FileObject]:
    """The key's files by creation, newest first unless `order` says otherwise.

    `after` need not be the id of one that is still there.
    """
    with database.read() as session:
        rows = files.list_page(
            session, key.id, after=after, limit=limit + 1, newest_first=order == "desc", purpose=purpose
        )
    return Page[FileObject].of(rows, FileObject.of, limit)


@router.get("/files/{file_id}")
def retrieve_file(file_id: str, key: CallerDep, database: DatabaseDep) -> FileObject:
    """What is known of a file."""
    with database.read() as session:
        return FileObject.of(_found(session, key.id, file_id))


@router.get("/files/{file_id}/content", response_class=StoredFile, responses=FILE, openapi_extra=RANGES)
@refuses(416)
def download_file(file_id: str, key: CallerDep, database: DatabaseDep, settings: SettingsDep) -> StoredFile:
    """The file's bytes; also a range of them."""
    with database.read() as session:
        file = _found(session, key.id, file_id)
    kind = "application/jsonl" if file.filename.endswith(".jsonl") else "application/octet-stream"
    path = stored.path_of(settings.files_dir, file.id)
    try:
        status = path.stat()
    except FileNotFoundError as error:
        log.exception("the bytes of %s are missing in the data folder", file.id)
        raise NotFound(f"The content of the File object {file_id} is lost.", param="id") from error
    return StoredFile(path, media_type=kind, filename=file.filename, stat_result=status)


@router.delete("/files/{file_id}")
@refuses(409)
def delete_file(file_id: str, key: CallerDep, database: DatabaseDep, settings: SettingsDep) -> FileDeleted:
    """Forget a file, unless a batch still reads it."""
    with database.begin() as session:
        file = _found(session, key.id, file_id)
        batch_id = files.unfinished_batch_of(session, key.id, file.id)
        if batch_id is not None:
            raise Conflict(f"File '{file.id}' is the input of batch '{batch_id}', which has not ended.")
        files.delete(session, file)
    stored.remove(settings.files_dir, file.id)
    return FileDeleted(id=file.id)


def _found(session: Session, api_key_id: str, file_id: str) -> File:
    file = files.find(session, api_key_id, file_id)
    if file is None:
        raise NotFound(f"No such File object: {file_id}", param="id")
    return file
