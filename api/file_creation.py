"""`POST /v1/files`: a multipart body, from the socket straight to the disk (contract 1.2)."""

from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.batch_input import check_first_line, check_name
from api.deps import CallerDep, DatabaseDep, SettingsDep
from api.file_object import ExpiresAfter, FileObject, Purpose, expiry
from api.intake import form_of, receiving
from api.multipart import Form
from api.openapi import form_body
from api.payloads import fitted
from api.refusals import refuses
from headrace.clock import now
from headrace.db import Database
from headrace.failpoints import failpoint
from headrace.ids import new_id
from headrace.models import File
from headrace.store import files

router = APIRouter(tags=["files"])


class FileForm(BaseModel):
    """The form that a file comes in. We look at its name here; its bytes are on the disk by then."""

    purpose: Purpose
    expires_after: ExpiresAfter | None = None
    file: Annotated[str, Field(json_schema_extra={"format": "binary"})]


@router.post("/files", openapi_extra=form_body(FileForm))
@refuses(400, 408, 413, 415)
async def create_file(
    request: Request, key: CallerDep, database: DatabaseDep, settings: SettingsDep
) -> FileObject:
    """Take in a file: multipart/form-data with `purpose`, `file`, `expires_after[anchor]` and `[seconds]`.

    It is whole and on disk when this answers. An upload that is cut off or refused leaves nothing.
    """
    file_id = new_id("file-")
    form = form_of(request, "file", settings.max_file_bytes)
    async with receiving(request, form, settings, file_id) as out:
        said = await run_in_threadpool(_checked, form, out, settings.max_body_bytes)
    failpoint("stored")
    file = File(id=file_id, api_key_id=key.id, purpose=said.purpose, filename=said.file, bytes=form.size)
    await run_in_threadpool(_record, file, said.expires_after, database)
    return FileObject.of(file)


def _checked(form: Form, out: BinaryIO, max_line_bytes: int) -> FileForm:
    """The form's fields, if they are right and the file is what they say."""
    said = fitted(FileForm, _document(form))
    if said.purpose == "batch":
        check_name(said.file)
        out.flush()
        check_first_line(Path(out.name), max_line_bytes)
    return said


def _document(form: Form) -> dict[str, Any]:
    """`expires_after[seconds]` and its like become members of `expires_after`."""
    document: dict[str, Any] = {**form.fields}
    names = {member: f"expires_after[{member}]" for member in ExpiresAfter.model_fields}
    life = {member: form.fields[name] for member, name in names.items() if name in form.fields}
    if life:
        document["expires_after"] = life
    if form.filename is not None:
        document["file"] = form.filename
    return document


def _record(file: File, life: ExpiresAfter | None, database: Database) -> None:
    """The bytes are in place, and stay there: after an error nobody knows whether the row was committed.

    If it was not, the worker that tidies the folder finds them. The file is as old as its row: it must not
    come into a list behind those that somebody has seen.
    """
    with database.begin() as session:
        file.created_at = now()
        file.expires_at = expiry(file.purpose, file.created_at, life.seconds if life else None)
        files.add(session, file)
