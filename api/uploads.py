"""Uploads: files that come in parts, which may be sent side by side (contract 1.6)."""

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api.assembly import completed
from api.batch_input import check_name
from api.deps import CallerDep, DatabaseDep, SettingsDep
from api.intake import form_of, receiving
from api.openapi import form_body, json_body
from api.payloads import JsonBody, fitted
from api.refusals import refuses
from api.upload_object import Completion, PartForm, PartObject, UploadObject, UploadRequest
from api.upload_rows import MAX_PARTS, drop, find_upload, lock_upload, refuse_unless_pending
from headrace.db import Database
from headrace.errors import InvalidRequest, RequestError, TooLarge
from headrace.failpoints import failpoint
from headrace.files import remove
from headrace.ids import new_id
from headrace.models import Upload, UploadPart
from headrace.settings import MEBIBYTE, Settings
from headrace.states import UploadStatus
from headrace.store import uploads

router = APIRouter(tags=["uploads"])

PART_BYTES = 64 * MEBIBYTE  # what the SDK sends at a time
SLACK_BYTES = PART_BYTES
ASSEMBLING = CapacityLimiter(2)  # the disk does not do more any faster, and other requests need the threads


@router.post("/uploads", openapi_extra=json_body(UploadRequest))
def create_upload(
    body: JsonBody, key: CallerDep, database: DatabaseDep, settings: SettingsDep
) -> UploadObject:
    """Announce a file that will come in parts, within an hour."""
    wanted = fitted(UploadRequest, body)
    is_input = wanted.purpose == "batch"
    most = settings.max_file_bytes if is_input else settings.max_upload_bytes
    if wanted.bytes > most:
        raise TooLarge(f"A file for '{wanted.purpose}' may have {most} bytes at most.", param="bytes")
    if is_input:
        check_name(wanted.filename)
    upload = wanted.row(key.id)
    with database.begin() as session:
        uploads.create(session, upload)
    return UploadObject.of(upload)


@router.post("/uploads/{upload_id}/parts", openapi_extra=form_body(PartForm))
@refuses(400, 408, 413, 415)
async def add_part(
    upload_id: str, request: Request, key: CallerDep, database: DatabaseDep, settings: SettingsDep
) -> PartObject:
    """Take in a part: multipart/form-data with `data`, of 64 MiB at most. It is on disk when this answers."""
    await run_in_threadpool(_check_pending, database, key.id, upload_id)
    part = UploadPart(id=new_id("part_"), upload_id=upload_id, bytes=0)
    form = form_of(request, "data", PART_BYTES)
    async with receiving(request, form, settings, part.id):
        fitted(PartForm, {"data": form.filename} if form.filename else {})
    part.bytes = form.size
    failpoint("stored")
    await run_in_threadpool(_record, database, settings, key.id, part)
    return PartObject.of(part)


@router.post("/uploads/{upload_id}/complete", openapi_extra=json_body(Completion))
async def complete_upload(
    upload_id: str, body: JsonBody, key: CallerDep, database: DatabaseDep, settings: SettingsDep
) -> UploadObject:
    """Make the file of the parts `part_ids`, in their order; for the same parts again, the same file."""
    wanted = fitted(Completion, body)
    return await to_thread.run_sync(
        completed, database, settings, key.id, upload_id, wanted, limiter=ASSEMBLING
    )


@router.post("/uploads/{upload_id}/cancel")
@refuses(400)
def cancel_upload(
    upload_id: str, key: CallerDep, database: DatabaseDep, settings: SettingsDep
) -> UploadObject:
    """Forget the parts, and take no more."""
    with database.begin() as session:
        upload = lock_upload(session, key.id, upload_id)
        if upload.status != UploadStatus.CANCELLED:
            refuse_unless_pending(upload)
            uploads.cancel(session, upload)
    drop(database, settings, upload)
    return UploadObject.of(upload)


def _check_pending(database: Database, api_key_id: str, upload_id: str) -> None:
    with database.read() as session:
        refuse_unless_pending(find_upload(session, api_key_id, upload_id))


def _record(database: Database, settings: Settings, api_key_id: str, part: UploadPart) -> None:
    """The upload may have ended since: then the bytes go.

    After an error of the database they stay, for nobody knows whether the row was committed. If it was not,
    the worker that tidies the folder finds them.
    """
    try:
        with database.begin() as session:
            upload = lock_upload(session, api_key_id, part.upload_id)
            refuse_unless_pending(upload)
            _check_stored(upload, part, *uploads.stored(session, upload.id))
            uploads.add_part(session, part)
    except RequestError:
        remove(settings.files_dir, part.id)
        raise


def _check_stored(upload: Upload, part: UploadPart, parts: int, stored_bytes: int) -> None:
    """Parts may be there that no completion will name: those whose answer was lost came twice."""
    if parts >= MAX_PARTS:
        raise InvalidRequest(
            f"An upload has {MAX_PARTS} parts at most, and this one has as many.", param="upload_id"
        )
    if stored_bytes + part.bytes > 2 * upload.bytes + SLACK_BYTES:
        raise TooLarge(
            f"The parts have {stored_bytes} bytes by now; the upload was to have {upload.bytes}.",
            param="data",
        )
