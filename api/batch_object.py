"""The batch object (contract 2.3)."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import RowMapping

from api.budget_object import BatchBudget, key_used_up_notice, used_up_notice
from api.schemas import Ambiguous, Cost, WireObject, seconds_or_none
from headrace.models import Batch
from headrace.states import BATCH_FINAL


class RequestCounts(BaseModel):
    """`completed` succeeded. What never ran, cancelled or expired, is in `total` alone."""

    total: int
    completed: int
    failed: int


class CachedTokens(BaseModel):
    """Part of the input tokens."""

    cached_tokens: int


class ReasoningTokens(BaseModel):
    """Part of the output tokens."""

    reasoning_tokens: int


class BatchUsage(BaseModel):
    """Tokens of all calls so far, in the words of the Responses API for every endpoint."""

    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int

    @classmethod
    def of(cls, row: Mapping[str, Any] | RowMapping) -> "BatchUsage":
        """The sums that the batch's row keeps."""
        return cls(
            input_tokens=row["prompt_tokens"],
            input_tokens_details=CachedTokens(cached_tokens=row["cached_tokens"]),
            output_tokens=row["completion_tokens"],
            output_tokens_details=ReasoningTokens(reasoning_tokens=row["reasoning_tokens"]),
            total_tokens=row["total_tokens"],
        )


class BatchErrors(BaseModel):
    """What validation found (contract 2.5)."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]


class BatchObject(WireObject):
    """The last eight are ours. `notice`: a word to the owner while requests wait for more than their turn."""

    object: Literal["batch"] = "batch"
    endpoint: str
    model: str | None
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: str
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    usage: BatchUsage
    metadata: dict[str, str] | None
    notice: str | None
    priority: int
    invalid_lines: Literal["fail", "skip"]
    on_ambiguous: Literal["retry", "hold"]
    ambiguous: Ambiguous
    held: int
    cost: Cost
    budget: BatchBudget | None

    @classmethod
    def of(cls, batch: Batch, held: int = 0, closed_period: str | None = None) -> "BatchObject":
        """What the client sees of a batch: of how many of its jobs are held, and its key's closed budget."""
        return cls.of_row(batch.model_dump() | {"metadata": batch.details}, held, closed_period)

    @classmethod
    def of_row(
        cls, row: Mapping[str, Any] | RowMapping, held: int, closed_period: str | None
    ) -> "BatchObject":
        """The same of its row as the table has it."""
        times = {name: seconds_or_none(value) for name, value in row.items() if name.endswith("_at")}
        made: dict[str, Any] = {
            "errors": BatchErrors(data=row["errors"]) if row["errors"] else None,
            "request_counts": RequestCounts(
                total=row["total"], completed=row["succeeded"], failed=row["failed"]
            ),
            "usage": BatchUsage.of(row),
            "notice": " ".join(filter(None, (row["notice"], _held_notice(row, held, closed_period)))) or None,
            "invalid_lines": "skip" if row["skip_invalid"] else "fail",
            "on_ambiguous": "hold" if row["hold_ambiguous"] else "retry",
            "ambiguous": Ambiguous(calls=row["ambiguous_calls"], tokens_at_most=row["ambiguous_tokens"]),
            "held": held,
            "cost": Cost.of(row["cost_nanos"], row["doubtful_nanos"], row["unpriced_calls"]),
            "budget": BatchBudget.of(row),
        }
        return cls(**{**row, **times, **made})


def _held_notice(row: Mapping[str, Any] | RowMapping, held: int, closed_period: str | None) -> str | None:
    """Said for as long as it is so, whatever else happens to the batch."""
    if row["status"] in BATCH_FINAL:
        return None
    used_up = used_up_notice(row)
    if used_up or not held:
        return used_up
    if closed_period:
        return key_used_up_notice(closed_period)
    if row["wanted_nanos"] is not None:
        return "The budget of this batch has room again: what is held for it goes on in a moment."
    return f"Requests that are held and wait for you: {held}. List them with state=held, and release them."
