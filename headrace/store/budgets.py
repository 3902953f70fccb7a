"""Budgets as people set them and look at them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, text, update
from sqlmodel import Session

from headrace.models import Batch
from headrace.periods import begins, ends
from headrace.states import Outcome, Period
from headrace.store.accounts import Account, KeyAccount, row_of
from headrace.store.alerts import account_of
from headrace.store.inserting import dialect_of, insert_into
from headrace.store.tables import attempts, batches, budget_alerts, budgets, jobs, spending, usage_hours

LOCK_SECONDS = 2.0


class Standing(NamedTuple):
    """A key's budget: what is spent (or may be, at most) in the period that runs, and reserved for calls."""

    period: Period
    begins: int
    limit_nanos: int
    spent_nanos: int
    reserved_nanos: int
    is_closed: bool

    @property
    def remaining_nanos(self) -> int:
        """What calls can be made for now."""
        return max(0, self.limit_nanos - self.spent_nanos - self.reserved_nanos)


class Alert(NamedTuple):
    """That a share of a limit was reached."""

    account: str
    percent: int
    limit_nanos: int
    spent_nanos: int
    reached_at: datetime


def limit_batch(session: Session, batch: Batch, limit_nanos: int | None) -> None:
    """Give a batch another budget, or none. What is under way counts from now on."""
    wanted = update(batches).where(batches.c.id == batch.id)
    if limit_nanos is None:
        session.execute(wanted.values(budget_nanos=None, reserved_nanos=0))
        return
    first = batches.c.budget_nanos.is_(None)
    changed = wanted.values(budget_nanos=limit_nanos)
    if session.execute(changed.where(~first).returning(batches.c.id)).first() is None:
        _no_departures(session)
        session.execute(wanted.where(first).values(reserved_nanos=_open_of(jobs.c.batch_id == batch.id)))
        session.execute(changed)


def limit_key(
    session: Session, api_key_id: str, period: Period, limit_nanos: int | None, at: datetime
) -> None:
    """Give a key another budget for a period, or none. What it spent before in the period counts."""
    here = (budgets.c.api_key_id == api_key_id, budgets.c.period == period)
    if limit_nanos is None:
        session.execute(delete(budgets).where(*here))
        unmarked = spending.c.wanted_nanos.is_(None)  # the others go when what they held is queued again
        session.execute(
            delete(spending).where(spending.c.api_key_id == api_key_id, spending.c.period == period, unmarked)
        )
        return
    changed = update(budgets).where(*here).values(limit_nanos=limit_nanos).returning(budgets.c.period)
    if session.execute(changed).first() is None:
        _begin(session, api_key_id, period, limit_nanos, at)


def recount(session: Session) -> None:
    """Make again what is spent and reserved, from sums that were made again in the same transaction."""
    under_way = _open_of(jobs.c.batch_id == batches.c.id)
    limited = batches.c.budget_nanos.is_not(None)
    session.execute(update(batches).where(limited).values(reserved_nanos=under_way))
    for row in session.execute(select(spending)).all():
        name = KeyAccount(row.api_key_id, Period(row.period), row.begins)
        session.execute(row_of(name).values(_counted(name)))


def standings(session: Session, api_key_ids: Sequence[str], at: datetime) -> dict[str, list[Standing]]:
    """The budgets of these keys as they stand now; keys that have none are left out."""
    found: dict[str, list[Standing]] = {}
    seconds = int(at.timestamp())
    limits = select(budgets).where(budgets.c.api_key_id.in_(api_key_ids)).order_by(budgets.c.period)
    columns = [
        spending.c[name] for name in (*KeyAccount._fields, "spent_nanos", "reserved_nanos", "wanted_nanos")
    ]
    rows = session.execute(select(*columns).where(spending.c.api_key_id.in_(api_key_ids)))
    stand = {(row.api_key_id, row.period, row.begins): row for row in rows}
    for budget in session.execute(limits):
        began = begins(Period(budget.period), seconds)
        row = stand.get((budget.api_key_id, budget.period, began))
        account = Account(budget.limit_nanos, *row[3:]) if row else Account(budget.limit_nanos, 0, 0)
        standing = Standing(
            Period(budget.period), began, account.limit, account.spent, account.reserved, account.is_closed
        )
        found.setdefault(budget.api_key_id, []).append(standing)
    return found


def alerts_of(session: Session, accounts: Sequence[str]) -> list[Alert]:
    """What was raised for these batches or key budgets (see `alerts.account_of`), first to last."""
    wanted = select(*(budget_alerts.c[name] for name in Alert._fields))
    wanted = wanted.where(budget_alerts.c.account.in_(accounts))
    return [Alert(*row) for row in session.execute(wanted.order_by(budget_alerts.c.reached_at))]


def name_of(api_key_id: str, standing: Standing) -> str:
    """How alerts name a key's budget."""
    return account_of(api_key_id, standing.period, standing.begins)


def _begin(session: Session, api_key_id: str, period: Period, limit_nanos: int, at: datetime) -> None:
    _no_departures(session)
    account = KeyAccount(api_key_id, period, begins(period, int(at.timestamp())))
    stands = _counted(account)
    limit = {"api_key_id": api_key_id, "period": period, "limit_nanos": limit_nanos}
    session.execute(budgets.insert(), limit)
    begun = insert_into(spending, dialect_of(session)).values(**account._asdict(), **stands)
    session.execute(begun.on_conflict_do_update(index_elements=spending.primary_key.columns, set_=stands))


def _counted(account: KeyAccount) -> dict[str, Any]:
    """What is spent and reserved in its period: by the sums by hour, and by the calls under way."""
    over = ends(account.period, account.begins)
    here = [usage_hours.c.api_key_id == account.api_key_id, usage_hours.c.hour >= account.begins]
    departed = [attempts.c.departed_at >= datetime.fromtimestamp(account.begins, UTC)]
    if over is not None:
        here.append(usage_hours.c.hour < over)
        departed.append(attempts.c.departed_at < datetime.fromtimestamp(over, UTC))
    spent = func.coalesce(func.sum(usage_hours.c.cost_nanos + usage_hours.c.doubtful_nanos), 0)
    return {
        "spent_nanos": select(spent).where(*here).scalar_subquery(),
        "reserved_nanos": _open_of(jobs.c.api_key_id == account.api_key_id, *departed),
    }


def _open_of(*chosen: Any) -> Any:
    """What the calls can cost at most that are under way."""
    total = func.coalesce(func.sum(attempts.c.cost_at_most_nanos), 0)
    found = select(total).select_from(attempts.join(jobs, jobs.c.id == attempts.c.job_id))
    return found.where(attempts.c.outcome == Outcome.OPEN, *chosen).scalar_subquery()


def _no_departures(session: Session) -> None:
    """Nothing departs or lands before our commit: what we count is what stands (see `accounts.Accounts`).

    Others wait behind us meanwhile, so we give up soon: see `headrace.patience`.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL lock_timeout = {round(1000 * LOCK_SECONDS)}"))
        session.execute(text("LOCK TABLE attempts IN SHARE MODE"))
