"""`POST /v1/files`: a multipart body, from the socket straight to the disk (contract 1.2)."""

import errno
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from pydantic import BaseModel

from api.deps import CallerDep, DatabaseDep, SettingsDep
from api.file_object import ExpiresAfter, FileObject
from api.multipart import Form, boundary_of
from api.payloads import announced_bytes, chunks, fitted
from api.problems import NoRoom
from headrace import files as stored
from headrace.clock import now
from headrace.db import Database
from headrace.disk import is_short
from headrace.errors import InvalidRequest, Unavailable
from headrace.failpoints import failpoint
from headrace.ids import new_id
from headrace.models import File
from headrace.settings import MEBIBYTE, Settings
from headrace.store import files

router = APIRouter(tags=["files"])

BATCH_FILE_LIFE = timedelta(days=30)
FULL = (errno.ENOSPC, errno.EDQUOT)


class Upload(BaseModel):
    """What the form says of the file; `file` is its name."""

    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    expires_after: ExpiresAfter | None = None
    file: str

    def expires_at(self, created_at: datetime) -> datetime | None:
        """When the file is gone: batch inputs after 30 days, others never, unless the form says so."""
        if self.expires_after is not None:
            return created_at + timedelta(seconds=self.expires_after.seconds)
        return created_at + BATCH_FILE_LIFE if self.purpose == "batch" else None


@router.post("/files")
async def create_file(
    request: Request, key: CallerDep, database: DatabaseDep, settings: SettingsDep
) -> FileObject:
    """Take in a file: multipart/form-data with `purpose`, `file`, `expires_after[anchor]` and `[seconds]`.

    It is whole and on disk when this answers. An upload that is cut off or refused leaves nothing.
    """
    file_id, created_at = new_id("file-"), now()
    form = Form(boundary_of(request.headers.get("content-type", "")), settings.max_file_bytes)
    announced = announced_bytes(request)
    form.check_length(announced)
    try:
        await run_in_threadpool(_check_room, settings, announced)
        async with contextmanager_in_threadpool(stored.writing(settings.files_dir, file_id)) as out:
            await _receive(request, form, out, settings)
            upload = await run_in_threadpool(_checked, form, out, settings.max_body_bytes)
    except OSError as error:
        if error.errno in FULL:
            raise NoRoom from error
        raise Unavailable(f"a file could not be stored: {error}") from error
    failpoint("stored")
    file = File(
        id=file_id,
        api_key_id=key.id,
        purpose=upload.purpose,
        filename=upload.file,
        bytes=form.size,
        created_at=created_at,
        expires_at=upload.expires_at(created_at),
    )
    await run_in_threadpool(_record, file, database)
    return FileObject.of(file)


def _check_room(settings: Settings, coming_bytes: int) -> None:
    """Raises NoRoom when less would be left than what the answers of calls under way need."""
    if is_short(settings.files_dir, settings.min_free_bytes + coming_bytes):
        raise NoRoom


async def _receive(request: Request, form: Form, out: BinaryIO, settings: Settings) -> None:
    """Reads the body to its end. The disk is written to in large pieces, away from the event loop."""
    async for chunk in chunks(request):
        form.feed(chunk)
        failpoint("upload")
        if len(form.waiting) >= MEBIBYTE:
            await run_in_threadpool(_check_room, settings, len(form.waiting))
            await run_in_threadpool(out.write, form.take())
    form.close()
    await run_in_threadpool(out.write, form.take())


def _checked(form: Form, out: BinaryIO, max_line_bytes: int) -> Upload:
    """The form's fields, if they are right and the file is what they say."""
    upload = fitted(Upload, _document(form))
    if upload.purpose == "batch":
        out.flush()
        _check_batch_input(upload.file, Path(out.name), max_line_bytes)
    return upload


def _document(form: Form) -> dict[str, Any]:
    """`expires_after[seconds]` and its like become members of `expires_after`."""
    document: dict[str, Any] = {**form.fields}
    names = {member: f"expires_after[{member}]" for member in ExpiresAfter.model_fields}
    expiry = {member: form.fields[name] for member, name in names.items() if name in form.fields}
    if expiry:
        document["expires_after"] = expiry
    if form.filename is not None:
        document["file"] = form.filename
    return document


def _check_batch_input(filename: str, path: Path, max_line_bytes: int) -> None:
    if not filename.endswith(".jsonl"):
        raise InvalidRequest("Invalid file format for Batch API. Must be .jsonl")
    with path.open("rb") as written:
        line = written.readline(max_line_bytes + 1)
    reason = _line_fault(line, max_line_bytes)
    if reason:
        raise InvalidRequest(f"Invalid file format for Batch API. Must be .jsonl, and {reason}.")


def _line_fault(line: bytes, max_line_bytes: int) -> str | None:
    if not line:
        return "this file is empty"
    if len(line) > max_line_bytes:
        return f"its first line is longer than {max_line_bytes} bytes"
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"its first line is not valid JSON ({error})"
    return None


def _record(file: File, database: Database) -> None:
    """The bytes are in place, and stay there: after an error nobody knows whether the row was committed.

    If it was not, the worker that tidies the folder finds them.
    """
    with database.begin() as session:
        files.add(session, file)
