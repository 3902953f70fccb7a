"""The file object (contract 1.3), and how long files live."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from api.schemas import WireObject, seconds, seconds_or_none
from headrace.models import File

BATCH_FILE_LIFE = timedelta(days=30)

# what a client may say that a file is for, and what files that we have may be for
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
KnownPurpose = Literal[Purpose, "assistants_output", "batch_output", "fine-tune-results"]


class FileObject(WireObject):
    """A file is whole and checked as soon as it exists, hence always `processed`."""

    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: None = None

    @classmethod
    def of(cls, file: File) -> "FileObject":
        """What the client sees of a row."""
        return cls(
            id=file.id,
            bytes=file.bytes,
            created_at=seconds(file.created_at),
            expires_at=seconds_or_none(file.expires_at),
            filename=file.filename,
            purpose=file.purpose,
        )


class FileDeleted(WireObject):
    """The answer to a deletion."""

    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class ExpiresAfter(BaseModel):
    """When a file is forgotten: an hour to 30 days after its creation."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=30 * 86_400)


def expiry(purpose: str, created_at: datetime, asked_seconds: int | None) -> datetime | None:
    """When a file is forgotten: as its owner asked; else batch inputs after 30 days, and others never."""
    if asked_seconds is not None:
        return created_at + timedelta(seconds=asked_seconds)
    return created_at + BATCH_FILE_LIFE if purpose == "batch" else None
