"""Budgets as the API shows them: USD as text, with every digit."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import RowMapping

from api.schemas import WireObject, seconds
from headrace.money import exact, exact_or_none, shown
from headrace.periods import ends
from headrace.states import Period
from headrace.store.accounts import IN_PERIOD, Account
from headrace.store.budgets import Alert, Standing


class BatchBudget(BaseModel):
    """`reserved_usd` is what calls under way can cost at most; `is_used_up`: another call does not fit."""

    limit_usd: str
    spent_usd: str
    reserved_usd: str
    is_used_up: bool

    @classmethod
    def of(cls, row: Mapping[str, Any] | RowMapping) -> "BatchBudget | None":
        """That of a batch's row, if it has one."""
        account = account_of(row)
        if account is None:
            return None
        return cls(
            limit_usd=exact(account.limit),
            spent_usd=exact(account.spent),
            reserved_usd=exact(account.reserved),
            is_used_up=account.is_closed,
        )


class AlertObject(BaseModel):
    """That so much of a limit was reached: 50, 80 or 100 %, or that another call did not fit (100)."""

    percent: int
    limit_usd: str
    spent_usd: str
    reached_at: int

    @classmethod
    def of(cls, alert: Alert) -> "AlertObject":
        """From what is kept."""
        return cls(
            percent=alert.percent,
            limit_usd=exact(alert.limit_nanos),
            spent_usd=exact(alert.spent_nanos),
            reached_at=seconds(alert.reached_at),
        )


class BatchBudgetObject(WireObject):
    """The budget of a batch; without one, `limit_usd` and `remaining_usd` are null."""

    object: Literal["batch.budget"] = "batch.budget"
    limit_usd: str | None
    spent_usd: str
    reserved_usd: str
    remaining_usd: str | None
    is_used_up: bool
    alerts: list[AlertObject]

    @classmethod
    def of(cls, row: Mapping[str, Any], alerts: Sequence[Alert]) -> "BatchBudgetObject":
        """From the batch's row."""
        account = account_of(row)
        return cls(
            id=row["id"],
            limit_usd=exact_or_none(account.limit if account else None),
            spent_usd=exact(row["cost_nanos"] + row["doubtful_nanos"]),
            reserved_usd=exact(row["reserved_nanos"]),
            remaining_usd=exact_or_none(max(0, account.room) if account else None),
            is_used_up=bool(account and account.is_closed),
            alerts=[AlertObject.of(alert) for alert in alerts],
        )


class KeyBudget(BaseModel):
    """What an API key may spend in all, on a day or in a month of UTC, and did since that began."""

    object: Literal["budget"] = "budget"
    period: Period
    limit_usd: str
    spent_usd: str
    reserved_usd: str
    remaining_usd: str
    resets_at: int | None
    is_used_up: bool
    alerts: list[AlertObject]

    @classmethod
    def of(cls, standing: Standing, alerts: Sequence[Alert]) -> "KeyBudget":
        """From what is kept."""
        return cls(
            period=standing.period,
            limit_usd=exact(standing.limit_nanos),
            spent_usd=exact(standing.spent_nanos),
            reserved_usd=exact(standing.reserved_nanos),
            remaining_usd=exact(standing.remaining_nanos),
            resets_at=ends(standing.period, standing.begins),
            is_used_up=standing.is_closed,
            alerts=[AlertObject.of(alert) for alert in alerts],
        )


class KeyBudgets(BaseModel):
    """All budgets of the key: none, or one for a period."""

    object: Literal["list"] = "list"
    data: list[KeyBudget]


def account_of(row: Mapping[str, Any] | RowMapping) -> Account | None:
    """How the budget of a batch's row stands, if it has one."""
    if row["budget_nanos"] is None:
        return None
    spent = row["cost_nanos"] + row["doubtful_nanos"]
    return Account(row["budget_nanos"], spent, row["reserved_nanos"], row["wanted_nanos"])


def used_up_notice(row: Mapping[str, Any] | RowMapping) -> str | None:
    """What its owner is told of a batch whose budget is used up."""
    account = account_of(row)
    if account is None or account.wanted is None or not account.is_closed:
        return None
    return (
        f"The budget of this batch, {shown(account.limit)}, is used up: another call may cost up to "
        f"{shown(account.wanted)}. The rest is held, and goes on when the budget is raised: "
        f"POST /v1/batches/{row['id']}/budget, or `headrace budget {row['id']} USD`."
    )


def key_used_up_notice(period: str) -> str:
    """The same of a batch whose key has a budget for this period that is used up."""
    per = IN_PERIOD[Period(period)]
    next_one = "" if Period(period) is Period.TOTAL else f", or the next {period} begins"
    return (
        f"A budget of this API key ({per}) is used up. The rest is held, and goes on when that is raised"
        f"{next_one}: see GET /v1/budgets."
    )
