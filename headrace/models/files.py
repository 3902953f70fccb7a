"""Files, and those that come in parts."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from headrace.clock import now
from headrace.columns import RowId, UtcTime
from headrace.models.clauses import one_of, where
from headrace.states import UploadStatus


class File(SQLModel, table=True):
    """An uploaded or produced file; its bytes lie in the data folder under its id."""

    __tablename__ = "files"

    id: str = Field(primary_key=True)
    api_key_id: str = Field(foreign_key="api_keys.id")
    purpose: str
    filename: str
    bytes: int = Field(sa_type=RowId)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcTime)

    __table_args__ = (
        Index("files_of_key", "api_key_id", "id"),
        Index("files_listed", "api_key_id", "created_at", "id"),
        Index("files_expiring", "expires_at", **where("expires_at IS NOT NULL")),
    )


class Upload(SQLModel, table=True):
    """A file that comes in parts. It is `expired` when its time is over and it is still `pending`."""

    __tablename__ = "uploads"

    id: str = Field(primary_key=True)
    api_key_id: str = Field(foreign_key="api_keys.id")
    purpose: str
    filename: str
    mime_type: str
    bytes: int = Field(sa_type=RowId)
    file_seconds: int | None = None
    status: str = UploadStatus.PENDING
    file_id: str | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)

    __table_args__ = (
        CheckConstraint(one_of("status", UploadStatus), name="upload_status"),
        CheckConstraint("(file_id IS NOT NULL) = (status = 'completed')", name="upload_file"),
        Index("uploads_expiring", "status", "expires_at"),
    )


class UploadPart(SQLModel, table=True):
    """One part of an upload; its bytes lie in the data folder under its id."""

    __tablename__ = "upload_parts"

    id: str = Field(primary_key=True)
    upload_id: str = Field(foreign_key="uploads.id")
    bytes: int = Field(sa_type=RowId)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)

    __table_args__ = (Index("parts_of_upload", "upload_id", "id"),)
