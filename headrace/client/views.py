"""What the API shows, as the command line needs it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Self

import requests

from headrace.money import nanos
from headrace.usage import NO_USAGE, usage_of


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as the API shows it (contract 2.3). `usage` has the fields of `headrace.usage.Usage`.

    `cost_nanos` is None where nothing is known of the cost.
    """

    id: str
    status: str
    created_at: int
    total: int
    succeeded: int
    failed: int
    usage: Mapping[str, int]
    errors: list[dict[str, Any]]
    notice: str | None
    metadata: Mapping[str, str]
    held: int
    on_ambiguous: str
    cost_nanos: int | None
    doubtful_nanos: int
    unpriced_calls: int
    budget_nanos: int | None

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Self:
        """From the API's object; one of an older headrace has no cost."""
        counts, errors = shown["request_counts"], shown["errors"] or {}
        cost = shown.get("cost") or {}
        return cls(
            id=shown["id"],
            status=shown["status"],
            created_at=shown["created_at"],
            total=counts["total"],
            succeeded=counts["completed"],
            failed=counts["failed"],
            usage=asdict(usage_of(shown) or NO_USAGE),
            errors=errors.get("data", []),
            notice=shown.get("notice"),
            metadata=shown["metadata"] or {},
            held=shown.get("held", 0),
            on_ambiguous=shown.get("on_ambiguous", "retry"),
            cost_nanos=_nanos_or_none(cost.get("usd")),
            doubtful_nanos=nanos(Decimal(cost["doubtful_usd"])) if cost else 0,
            unpriced_calls=cost.get("unpriced_calls", 0),
            budget_nanos=_nanos_or_none((shown.get("budget") or {}).get("limit_usd")),
        )

    @property
    def done(self) -> int:
        """Requests that ran to their end."""
        return self.succeeded + self.failed


@dataclass(frozen=True, slots=True)
class BudgetView:
    """What a batch may spend (None: any amount), has spent, and can have to pay for calls under way."""

    limit_nanos: int | None
    spent_nanos: int
    reserved_nanos: int
    is_used_up: bool

    @classmethod
    def of(cls, answer: requests.Response) -> Self:
        """From the API's answer."""
        shown = answer.json()
        return cls(
            limit_nanos=_nanos_or_none(shown["limit_usd"]),
            spent_nanos=nanos(Decimal(shown["spent_usd"])),
            reserved_nanos=nanos(Decimal(shown["reserved_usd"])),
            is_used_up=shown["is_used_up"],
        )


@dataclass(frozen=True, slots=True)
class HeldView:
    """A job that waits for its owner: since when (Unix seconds), why, and what it can have cost so far."""

    id: str
    batch_id: str | None
    custom_id: str | None
    since: int
    why: str
    calls: int
    tokens_at_most: int
    waits_for_budget: bool

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Self:
        """From the API's job object."""
        error = shown["error"] or {}
        return cls(
            id=shown["id"],
            batch_id=shown["batch_id"],
            custom_id=shown["custom_id"],
            since=shown["run_at"],
            why=": ".join(filter(None, (error.get("code"), error.get("message")))),
            calls=shown["ambiguous"]["calls"],
            tokens_at_most=shown["ambiguous"]["tokens_at_most"],
            waits_for_budget=error.get("code") == "budget_used_up",
        )


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """Output lines (contract 3.2) in the order in which they came, and the cursor to go on behind them."""

    lines: list[bytes]
    cursor: int
    has_more: bool

    @classmethod
    def of(cls, answer: requests.Response) -> Self:
        """From the API's answer."""
        return cls(
            lines=[line for line in answer.content.split(b"\n") if line],
            cursor=int(answer.headers["x-headrace-cursor"]),
            has_more=answer.headers["x-headrace-has-more"] == "true",
        )


def _nanos_or_none(usd: str | None) -> int | None:
    return None if usd is None else nanos(Decimal(usd))
