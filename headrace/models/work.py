"""Batches, their jobs, and every call that was made for them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, Text, false
from sqlmodel import Field, SQLModel

from headrace.clock import now
from headrace.columns import Document, RowId, UtcTime
from headrace.models.clauses import added, one_of, where
from headrace.states import FINAL, BatchStatus, JobState, Outcome


class Batch(SQLModel, table=True):
    """Many jobs submitted together, with the sums that its landings keep."""

    __tablename__ = "batches"

    id: str = Field(primary_key=True)
    api_key_id: str = Field(foreign_key="api_keys.id")
    endpoint: str
    input_file_id: str
    completion_window: str
    details: dict[str, str] | None = Field(default=None, sa_column=Column("metadata", Document))
    status: str = BatchStatus.VALIDATING
    errors: list[dict[str, Any]] | None = Field(default=None, sa_type=Document)
    notice: str | None = Field(default=None, sa_type=Text)
    model: str | None = None

    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    in_progress_at: datetime | None = Field(default=None, sa_type=UtcTime)
    finalizing_at: datetime | None = Field(default=None, sa_type=UtcTime)
    completed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    failed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    expired_at: datetime | None = Field(default=None, sa_type=UtcTime)
    cancelling_at: datetime | None = Field(default=None, sa_type=UtcTime)
    cancelled_at: datetime | None = Field(default=None, sa_type=UtcTime)

    output_file_id: str | None = None
    error_file_id: str | None = None

    total: int = 0
    ingested: int = 0
    ingest_offset: int = Field(default=0, sa_type=RowId)
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0

    prompt_tokens: int = Field(default=0, sa_type=RowId)
    cached_tokens: int = Field(default=0, sa_type=RowId)
    completion_tokens: int = Field(default=0, sa_type=RowId)
    reasoning_tokens: int = Field(default=0, sa_type=RowId)
    total_tokens: int = Field(default=0, sa_type=RowId)

    hold_ambiguous: bool = Field(default=False, sa_column_kwargs=added(false()))
    ambiguous_calls: int = Field(default=0, sa_column_kwargs=added("0"))
    ambiguous_tokens: int = Field(default=0, sa_type=RowId, sa_column_kwargs=added("0"))

    priority: int = Field(default=0, sa_column_kwargs=added("0"))
    skip_invalid: bool = Field(default=False, sa_column_kwargs=added(false()))
    output_seconds: int | None = None

    cost_nanos: int = Field(default=0, sa_type=RowId, sa_column_kwargs=added("0"))
    doubtful_nanos: int = Field(default=0, sa_type=RowId, sa_column_kwargs=added("0"))
    unpriced_calls: int = Field(default=0, sa_column_kwargs=added("0"))
    budget_nanos: int | None = Field(default=None, sa_type=RowId)
    reserved_nanos: int = Field(default=0, sa_type=RowId, sa_column_kwargs=added("0"))
    wanted_nanos: int | None = Field(default=None, sa_type=RowId)

    __table_args__ = (
        CheckConstraint(one_of("status", BatchStatus), name="batch_status"),
        CheckConstraint("succeeded + failed + cancelled + expired <= ingested", name="batch_counts"),
        CheckConstraint("ingested <= total", name="batch_ingested"),
        Index("batches_of_key", "api_key_id", "id"),
        Index("batches_unfinished", "status", "expires_at"),
        Index("batches_of_input", "input_file_id"),
    )


class Job(SQLModel, table=True):
    """One completion to be made: endpoint, body, and in the end its answer."""

    __tablename__ = "jobs"

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    api_key_id: str = Field(foreign_key="api_keys.id")
    batch_id: str | None = Field(default=None, foreign_key="batches.id")
    line: int = 1
    custom_id: str | None = None
    endpoint: str
    lane: str
    body: str = Field(sa_type=Text)
    prompt_estimate: int = 0
    completion_cap: int | None = None

    state: str = JobState.QUEUED
    run_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcTime)
    cancel_requested: bool = False
    lease_token: str | None = None
    worker_id: str | None = None
    attempts: int = 0
    max_attempts: int
    calls: int = 0
    crashes: int = 0
    result_no: int | None = None

    status_code: int | None = None
    request_id: str | None = None
    answer: str | None = Field(default=None, sa_type=Text)
    error_code: str | None = None
    error_message: str | None = Field(default=None, sa_type=Text)

    prompt_tokens: int = Field(default=0, sa_type=RowId)
    cached_tokens: int = Field(default=0, sa_type=RowId)
    completion_tokens: int = Field(default=0, sa_type=RowId)
    reasoning_tokens: int = Field(default=0, sa_type=RowId)
    total_tokens: int = Field(default=0, sa_type=RowId)

    priority: int = Field(default=0, sa_column_kwargs=added("0"))
    tokens_at_most: int = Field(default=0, sa_column_kwargs=added("0"))
    open_answers: int = Field(default=0, sa_column_kwargs=added("0"))
    prompt_at_most: int = Field(default=0, sa_column_kwargs=added("0"))
    tags_id: str = Field(default="", sa_column_kwargs=added(""))

    __table_args__ = (
        CheckConstraint(one_of("state", JobState), name="job_state"),
        CheckConstraint(
            f"(finished_at IS NOT NULL) = ({one_of('state', FINAL)})",
            name="job_finished",
        ),
        CheckConstraint("(lease_token IS NOT NULL) = (state = 'running')", name="job_lease"),
        CheckConstraint("(worker_id IS NOT NULL) = (state = 'running')", name="job_worker"),
        CheckConstraint("attempts BETWEEN 0 AND max_attempts", name="job_attempts"),
        CheckConstraint("calls >= attempts", name="job_calls"),
        CheckConstraint("result_no IS NULL OR finished_at IS NOT NULL", name="job_result"),
        Index("jobs_due", "lane", "run_at", "id", **where("state = 'queued'")),
        Index("jobs_next", "lane", "priority", "run_at", "id", **where("state = 'queued'")),
        Index("jobs_leased", "worker_id", **where("state = 'running'")),
        Index("jobs_held", "api_key_id", "batch_id", **where("state = 'held'")),
        Index(
            "jobs_waiting",
            "batch_id",
            "id",
            **where("state IN ('queued', 'blocked', 'held')"),
        ),
        Index("jobs_lines", "batch_id", "line", unique=True),
        Index(
            "jobs_results",
            "batch_id",
            "result_no",
            unique=True,
            **where("result_no IS NOT NULL"),
        ),
        Index("jobs_of_key", "api_key_id", "id"),
    )


class Attempt(SQLModel, table=True):
    """One call to a provider for a job; the row is there before the call is."""

    __tablename__ = "attempts"

    id: str = Field(primary_key=True)
    job_id: int = Field(foreign_key="jobs.id", sa_type=RowId)
    number: int
    worker_id: str
    departed_at: datetime = Field(sa_type=UtcTime)
    tokens_booked: int = 0
    landed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    outcome: str = Outcome.OPEN
    status_code: int | None = None
    request_id: str | None = None
    error_code: str | None = None
    error_message: str | None = Field(default=None, sa_type=Text)

    prompt_tokens: int = Field(default=0, sa_type=RowId)
    cached_tokens: int = Field(default=0, sa_type=RowId)
    completion_tokens: int = Field(default=0, sa_type=RowId)
    reasoning_tokens: int = Field(default=0, sa_type=RowId)
    total_tokens: int = Field(default=0, sa_type=RowId)

    tokens_at_most: int = Field(default=0, sa_column_kwargs=added("0"))

    cache_write_tokens: int = Field(default=0, sa_type=RowId, sa_column_kwargs=added("0"))
    prompt_audio_tokens: int = Field(default=0, sa_type=RowId, sa_column_kwargs=added("0"))
    completion_audio_tokens: int = Field(default=0, sa_type=RowId, sa_column_kwargs=added("0"))
    service_tier: str = Field(default="", sa_column_kwargs=added(""))
    price_id: str | None = None
    cost_nanos: int | None = Field(default=None, sa_type=RowId)
    cost_at_most_nanos: int | None = Field(default=None, sa_type=RowId)

    __table_args__ = (
        CheckConstraint(one_of("outcome", Outcome), name="attempt_outcome"),
        CheckConstraint("(landed_at IS NULL) = (outcome = 'open')", name="attempt_landed"),
        Index("attempts_of_job", "job_id", "number", unique=True),
    )
