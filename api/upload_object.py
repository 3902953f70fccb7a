"""Uploads and their parts as clients say and see them (contract 1.6)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from api.file_object import ExpiresAfter, FileObject, Purpose
from api.schemas import A_NAME, WHOLE, WireObject, seconds
from headrace.bodies import is_name
from headrace.clock import now
from headrace.ids import new_id
from headrace.models import File, Upload, UploadPart
from headrace.states import UploadStatus

UPLOAD_LIFE = timedelta(hours=1)


def _name(value: str) -> str:
    if not is_name(value):
        raise PydanticCustomError("no_name", "it must have 1 to 512 characters, and no NUL")
    return value


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra=A_NAME)]


class UploadRequest(BaseModel):
    """What is said of a file before its parts come."""

    bytes: Annotated[int, Field(strict=True, ge=0), WHOLE]
    filename: Name
    mime_type: Name
    purpose: Purpose
    expires_after: ExpiresAfter | None = None

    def row(self, api_key_id: str) -> Upload:
        """The new upload."""
        created_at = now()
        return Upload(
            id=new_id("upload_"),
            api_key_id=api_key_id,
            purpose=self.purpose,
            filename=self.filename,
            mime_type=self.mime_type,
            bytes=self.bytes,
            file_seconds=self.expires_after.seconds if self.expires_after else None,
            created_at=created_at,
            expires_at=created_at + UPLOAD_LIFE,
        )


class PartForm(BaseModel):
    """The form that a part comes in."""

    data: Annotated[str, Field(json_schema_extra={"format": "binary"})]


class Completion(BaseModel):
    """Which parts make the file, in their order, and the MD5 that it must have, in hexadecimal digits."""

    part_ids: list[str]
    md5: str | None = None


class UploadObject(WireObject):
    """An upload; `file` is there when it is completed, as long as that file is."""

    object: Literal["upload"] = "upload"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: UploadStatus
    file: FileObject | None

    @classmethod
    def of(cls, upload: Upload, file: File | None = None) -> "UploadObject":
        """What the client sees of a row."""
        return cls(
            id=upload.id,
            bytes=upload.bytes,
            created_at=seconds(upload.created_at),
            expires_at=seconds(upload.expires_at),
            filename=upload.filename,
            purpose=upload.purpose,
            status=status_of(upload),
            file=FileObject.of(file) if file else None,
        )


class PartObject(WireObject):
    """A part of an upload."""

    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: str

    @classmethod
    def of(cls, part: UploadPart) -> "PartObject":
        """What the client sees of a row."""
        return cls(id=part.id, created_at=seconds(part.created_at), upload_id=part.upload_id)


def status_of(upload: Upload) -> UploadStatus:
    """As of now: a pending upload is expired from its time on, whether or not that was noted."""
    if upload.status == UploadStatus.PENDING and upload.expires_at <= now():
        return UploadStatus.EXPIRED
    return UploadStatus(upload.status)
