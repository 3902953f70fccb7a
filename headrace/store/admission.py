"""Calls that are about to leave, admitted by the budgets that they count for; the others wait or are held."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, update
from sqlmodel import Session

from headrace.states import JobState
from headrace.store.accounts import Accounts
from headrace.store.batches import Tally, add
from headrace.store.tables import attempts, jobs

WAIT = timedelta(seconds=1)  # for calls under way, which give back most of what they hold
BUDGET_USED_UP = "budget_used_up"
PRICE_UNKNOWN = "price_unknown"
PRICE_UNKNOWN_MESSAGE = (
    "There is a budget, and nobody knows what a call of this model costs: its price is to be configured "
    "([prices] in headrace.toml). Then release the request."
)


class Leaving(NamedTuple):
    """A call that is about to leave, the most that it can cost if that is known, and its locked job."""

    attempt_id: str
    cost_at_most_nanos: int | None
    job: Any


class _Reason(NamedTuple):
    """`told` is the batch whose notice it becomes; that a budget is used up shows in the batch's sums."""

    code: str
    message: str
    told: str | None = None


def admit(session: Session, leaving: Sequence[Leaving], at: datetime) -> set[str]:
    """The attempts, all of them written and counted, that may go; their bounds are reserved from here on."""
    accounts = Accounts(session, [one.job for one in leaving], at)
    going, waiting = list[Leaving](), list[Leaving]()
    held: dict[_Reason, list[Leaving]] = defaultdict(list)
    for one in leaving:
        reason = _refusal(accounts, one)
        if reason is None:
            going.append(one)
        elif reason.message:
            held[reason].append(one)
        else:
            waiting.append(one)
    accounts.write()
    _take_back(session, waiting, state=JobState.QUEUED, run_at=at + WAIT)
    for reason, group in held.items():
        told = {"error_code": reason.code, "error_message": reason.message}
        _take_back(session, group, state=JobState.HELD, run_at=at, **told)
        if reason.told:
            add(session, reason.told, Tally(notice=reason.message))
    return {one.attempt_id for one in going}


def _refusal(accounts: Accounts, one: Leaving) -> _Reason | None:
    """Why it stays; with no message, for a moment only."""
    if not accounts.concern(one.job):
        return None
    if one.cost_at_most_nanos is None:
        return _Reason(PRICE_UNKNOWN, PRICE_UNKNOWN_MESSAGE, accounts.locked_batch(one.job))
    message = accounts.reserve(one.job, one.cost_at_most_nanos)
    return None if message is None else _Reason(BUDGET_USED_UP, message)


def _take_back(session: Session, group: Sequence[Leaving], **values: Any) -> None:
    if not group:
        return
    session.execute(delete(attempts).where(attempts.c.id.in_([one.attempt_id for one in group])))
    back = update(jobs).where(jobs.c.id.in_([one.job.id for one in group]))
    uncalled = {"attempts": jobs.c.attempts - 1, "calls": jobs.c.calls - 1}
    session.execute(back.values(lease_token=None, worker_id=None, **uncalled, **values))
