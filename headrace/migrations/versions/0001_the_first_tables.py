"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from headrace.columns import RowId, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_table(
        "lanes",
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("input_file_id", sa.String(), nullable=False),
        sa.Column("completion_window", sa.String(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("errors", sa.JSON(), nullable=True),
        sa.Column("notice", sa.Text(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("in_progress_at", UtcTime(), nullable=True),
        sa.Column("finalizing_at", UtcTime(), nullable=True),
        sa.Column("completed_at", UtcTime(), nullable=True),
        sa.Column("failed_at", UtcTime(), nullable=True),
        sa.Column("expired_at", UtcTime(), nullable=True),
        sa.Column("cancelling_at", UtcTime(), nullable=True),
        sa.Column("cancelled_at", UtcTime(), nullable=True),
        sa.Column("output_file_id", sa.String(), nullable=True),
        sa.Column("error_file_id", sa.String(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("ingested", sa.Integer(), nullable=False),
        sa.Column("ingest_offset", RowId, nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("expired", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", RowId, nullable=False),
        sa.Column("cached_tokens", RowId, nullable=False),
        sa.Column("completion_tokens", RowId, nullable=False),
        sa.Column("reasoning_tokens", RowId, nullable=False),
        sa.Column("total_tokens", RowId, nullable=False),
        sa.CheckConstraint(
            "status IN ('cancelled', 'cancelling', 'completed', 'expired', 'failed', 'finalizing', "
            "'in_progress', 'validating')",
            name="batch_status",
        ),
        sa.CheckConstraint("ingested <= total", name="batch_ingested"),
        sa.CheckConstraint("succeeded + failed + cancelled + expired <= ingested", name="batch_counts"),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batches_of_key", "batches", ["api_key_id", "id"])
    op.create_index("batches_unfinished", "batches", ["status", "expires_at"])

    op.create_table(
        "files",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("bytes", RowId, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("files_of_key", "files", ["api_key_id", "id"])

    op.create_table(
        "jobs",
        sa.Column("id", RowId, nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("custom_id", sa.String(), nullable=True),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("prompt_estimate", sa.Integer(), nullable=False),
        sa.Column("completion_cap", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("run_at", UtcTime(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("lease_token", sa.String(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("result_no", sa.Integer(), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", RowId, nullable=False),
        sa.Column("cached_tokens", RowId, nullable=False),
        sa.Column("completion_tokens", RowId, nullable=False),
        sa.Column("reasoning_tokens", RowId, nullable=False),
        sa.Column("total_tokens", RowId, nullable=False),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('cancelled', 'expired', 'failed', 'succeeded'))",
            name="job_finished",
        ),
        sa.CheckConstraint("(lease_token IS NOT NULL) = (state = 'running')", name="job_lease"),
        sa.CheckConstraint("(worker_id IS NOT NULL) = (state = 'running')", name="job_worker"),
        sa.CheckConstraint(
            "state IN ('blocked', 'cancelled', 'expired', 'failed', 'held', 'queued', 'running', "
            "'succeeded')",
            name="job_state",
        ),
        sa.CheckConstraint("attempts BETWEEN 0 AND max_attempts", name="job_attempts"),
        sa.CheckConstraint("calls >= attempts", name="job_calls"),
        sa.CheckConstraint("result_no IS NULL OR finished_at IS NOT NULL", name="job_result"),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("jobs_due", "jobs", ["lane", "run_at", "id"], **_where("state = 'queued'"))
    op.create_index("jobs_leased", "jobs", ["worker_id"], **_where("state = 'running'"))
    op.create_index("jobs_lines", "jobs", ["batch_id", "line"], unique=True)
    op.create_index("jobs_of_key", "jobs", ["api_key_id", "id"])
    op.create_index(
        "jobs_results",
        "jobs",
        ["batch_id", "result_no"],
        unique=True,
        **_where("result_no IS NOT NULL"),
    )
    op.create_index(
        "jobs_waiting",
        "jobs",
        ["batch_id", "id"],
        **_where("state IN ('queued', 'blocked', 'held')"),
    )

    op.create_table(
        "attempts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job_id", RowId, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("departed_at", UtcTime(), nullable=False),
        sa.Column("tokens_booked", sa.Integer(), nullable=False),
        sa.Column("landed_at", UtcTime(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", RowId, nullable=False),
        sa.Column("cached_tokens", RowId, nullable=False),
        sa.Column("completion_tokens", RowId, nullable=False),
        sa.Column("reasoning_tokens", RowId, nullable=False),
        sa.Column("total_tokens", RowId, nullable=False),
        sa.CheckConstraint("(landed_at IS NULL) = (outcome = 'open')", name="attempt_landed"),
        sa.CheckConstraint(
            "outcome IN ('ambiguous', 'failed', 'not_sent', 'open', 'refused', 'succeeded')",
            name="attempt_outcome",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attempts_of_job", "attempts", ["job_id", "number"], unique=True)


def downgrade() -> None:
    for table in (
        "attempts",
        "jobs",
        "files",
        "batches",
        "workers",
        "lanes",
        "api_keys",
    ):
        op.drop_table(table)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
