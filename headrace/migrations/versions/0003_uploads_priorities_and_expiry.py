"""Files that come in parts, priorities, invalid lines that are skipped, files that expire, providers' models.

It only adds: processes of the version before go on beside it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from headrace.columns import RowId, UtcTime
from headrace.migrations import online

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")
EXPIRING = sa.text("expires_at IS NOT NULL")
ADDED: dict[str, tuple[tuple[str, Any, Any], ...]] = {
    "batches": (
        ("priority", sa.Integer(), "0"),
        ("skip_invalid", sa.Boolean(), sa.false()),
        ("output_seconds", sa.Integer(), None),
    ),
    "jobs": (
        ("priority", sa.Integer(), "0"),
        ("tokens_at_most", sa.Integer(), "0"),  # 0: not reckoned yet
        ("open_answers", sa.Integer(), "0"),
    ),
}
CREATED = ("upload_parts", "uploads", "provider_models")


def upgrade() -> None:
    for table, columns in ADDED.items():
        for name, kind, default in columns:
            column = sa.Column(name, kind, nullable=default is None, server_default=default)
            online.add_column(table, column)
    online.create_index(
        "jobs_next",
        "jobs",
        ["lane", "priority", "run_at", "id"],
        sqlite_where=QUEUED,
        postgresql_where=QUEUED,
    )
    online.create_index(
        "files_expiring", "files", ["expires_at"], sqlite_where=EXPIRING, postgresql_where=EXPIRING
    )
    online.create_index("files_listed", "files", ["api_key_id", "created_at", "id"])
    online.create_index("batches_of_input", "batches", ["input_file_id"])
    _create_uploads()
    online.create_table(
        "provider_models",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("created", RowId, nullable=False),
        sa.Column("owned_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "id"),
    )


def _create_uploads() -> None:
    online.create_table(
        "uploads",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("mime_type", sa.String(), nullable=False),
        sa.Column("bytes", RowId, nullable=False),
        sa.Column("file_seconds", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("file_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('cancelled', 'completed', 'expired', 'pending')", name="upload_status"
        ),
        sa.CheckConstraint("(file_id IS NOT NULL) = (status = 'completed')", name="upload_file"),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    online.create_index("uploads_expiring", "uploads", ["status", "expires_at"])
    online.create_table(
        "upload_parts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("upload_id", sa.String(), nullable=False),
        sa.Column("bytes", RowId, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    online.create_index("parts_of_upload", "upload_parts", ["upload_id", "id"])


def downgrade() -> None:
    for table in CREATED:
        op.drop_table(table)
    op.drop_index("files_listed", "files")
    op.drop_index("batches_of_input", "batches")
    op.drop_index("files_expiring", "files")
    op.drop_index("jobs_next", "jobs")
    for table, columns in ADDED.items():
        for name, _, _ in columns:
            op.drop_column(table, name)
