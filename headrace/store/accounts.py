"""Budgets as departures and landings meet them: what a call can cost at most is reserved before it leaves.

An account is a batch's budget, or one of a key's. Why they are kept in SQL:
`docs/decisions/0017-budgets-are-kept-in-sql.md`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, or_, select, update
from sqlmodel import Session

from headrace.money import shown
from headrace.periods import begins
from headrace.states import Period
from headrace.store.alerts import KeyMoved, account_of, used_up
from headrace.store.among import among
from headrace.store.inserting import dialect_of, insert_into
from headrace.store.postings import Key, Posting, total
from headrace.store.tables import batches, budgets, spending

HAS_BUDGETS = or_(
    select(batches.c.id)
    .where(among(batches.c.id, "batch_ids"), batches.c.budget_nanos.is_not(None))
    .exists(),
    select(budgets.c.period).where(among(budgets.c.api_key_id, "key_ids")).exists(),
)
"""Whether any of these batches and keys has a budget."""

IN_PERIOD = {
    Period.TOTAL: "in all",
    Period.DAY: "a day",
    Period.MONTH: "a month",
}


class BatchAccount(NamedTuple):
    """The budget of a batch."""

    batch_id: str


class KeyAccount(NamedTuple):
    """A budget of a key, in the period that begins at `begins` (Unix seconds)."""

    api_key_id: str
    period: Period
    begins: int


AccountId = BatchAccount | KeyAccount


@dataclass(slots=True)
class Account:
    """How a budget stands, in nanos. `wanted` is what the first call needed that found no room."""

    limit: int
    spent: int
    reserved: int
    wanted: int | None = None

    @property
    def room(self) -> int:
        """What can be reserved now."""
        return self.limit - self.spent - self.reserved

    @property
    def is_closed(self) -> bool:
        """Whether a call had to stay behind that would still not fit."""
        return self.wanted is not None and self.never_has(self.wanted)

    def never_has(self, amount: int) -> bool:
        """Whether so much does not fit, even if all calls under way turn out to be free."""
        return self.spent + amount > self.limit


class Accounts:
    """Those of the batches and keys of some jobs, locked until the commit: batches first, then keys' budgets.

    On PostgreSQL it is read after the attempts were written: whoever gives a batch or a key its first budget
    locks their table, counts those that are open, and is seen from then on.
    """

    def __init__(self, session: Session, jobs: Iterable[Any], at: datetime) -> None:
        """`jobs` have `batch_id` and `api_key_id`."""
        self._session = session
        known = list(jobs)
        self._found: dict[AccountId, Account] = {
            **_of_batches(session, {job.batch_id for job in known if job.batch_id}),
            **_of_keys(session, {job.api_key_id for job in known}, int(at.timestamp())),
        }
        self._changed: set[AccountId] = set()

    def concern(self, job: Any) -> bool:
        """Whether a job counts for any of them."""
        return any(_is_of(name, job) for name in self._found)

    def locked_batch(self, job: Any) -> str | None:
        """The job's batch, if it has a budget."""
        return job.batch_id if BatchAccount(job.batch_id) in self._found else None

    def reserve(self, job: Any, amount: int) -> str | None:
        """Reserve so much for a call of a job. None if that was done; else why it has to stay, or nothing.

        An empty text: there will be room when calls under way have landed.
        """
        own = {name: account for name, account in self._found.items() if _is_of(name, job)}
        for name, account in own.items():
            if account.is_closed or account.never_has(amount):
                self._close(name, account, amount, job.api_key_id)
                return _reason(name, account)
        if any(account.room < amount for account in own.values()):
            return ""
        for name, account in own.items():
            account.reserved += amount
            self._changed.add(name)
        return None

    def write(self) -> None:
        """Write down what was reserved, and which accounts are closed."""
        for name in sorted(self._changed, key=str):
            account = self._found[name]
            values = {"reserved_nanos": account.reserved, "wanted_nanos": account.wanted}
            self._session.execute(row_of(name).values(values))

    def _close(self, name: AccountId, account: Account, amount: int, api_key_id: str) -> None:
        if account.is_closed:
            return
        account.wanted = amount
        self._changed.add(name)
        told = name.batch_id if isinstance(name, BatchAccount) else account_of(*name)
        used_up(self._session, told, api_key_id, account.limit, account.spent)


def settle(session: Session, sums: Mapping[Key, Posting]) -> list[KeyMoved]:
    """Book what ended to the budgets of its keys; returns each with what was spent before and after."""
    keys = {key.api_key_id for key in sums}
    told = []
    for name, row in _spending_of(session, keys, min(key.hour for key in sums)).items():
        moved = total(
            one
            for key, one in sums.items()
            if key.api_key_id == name.api_key_id and begins(name.period, key.hour) == name.begins
        )
        if moved.spent_nanos or moved.reserved_nanos:
            session.execute(
                row_of(name).values(
                    spent_nanos=spending.c.spent_nanos + moved.spent_nanos,
                    reserved_nanos=spending.c.reserved_nanos + moved.reserved_nanos,
                )
            )
            after = row.spent_nanos + moved.spent_nanos
            told.append(KeyMoved(name.api_key_id, name.period, name.begins, row.spent_nanos, after))
    return told


_SPENDING_OF = (
    select(spending)
    .where(among(spending.c.api_key_id, "keys"))
    .where(or_(spending.c.begins == 0, spending.c.begins >= bindparam("least", type_=BigInteger)))
    .order_by(*spending.primary_key.columns)
    .with_for_update()
)
_BATCHES_OF = (
    select(
        batches.c.id,
        batches.c.budget_nanos,
        (batches.c.cost_nanos + batches.c.doubtful_nanos).label("spent"),
        batches.c.reserved_nanos,
        batches.c.wanted_nanos,
    )
    .where(among(batches.c.id, "ids"), batches.c.budget_nanos.is_not(None))
    .order_by(batches.c.id)
    .with_for_update(key_share=True)
)
_BUDGETS_OF = select(budgets).where(among(budgets.c.api_key_id, "keys"))


def _of_batches(session: Session, ids: Collection[str]) -> dict[AccountId, Account]:
    return {
        BatchAccount(row.id): Account(row.budget_nanos, row.spent, row.reserved_nanos, row.wanted_nanos)
        for row in session.execute(_BATCHES_OF, {"ids": sorted(ids)})
    }


def _of_keys(session: Session, keys: Collection[str], seconds: int) -> dict[AccountId, Account]:
    limits = {
        KeyAccount(row.api_key_id, Period(row.period), begins(Period(row.period), seconds)): row.limit_nanos
        for row in session.execute(_BUDGETS_OF, {"keys": sorted(keys)})
    }
    if not limits:
        return {}
    _open(session, sorted(limits))
    return {
        name: Account(limits[name], row.spent_nanos, row.reserved_nanos, row.wanted_nanos)
        for name, row in _spending_of(session, keys, seconds).items()
        if name in limits
    }


def _spending_of(session: Session, keys: Collection[str], seconds: int) -> dict[KeyAccount, Any]:
    """The locked rows of these keys for periods that began with the month of `seconds`, or later."""
    asked = {"keys": sorted(keys), "least": begins(Period.MONTH, seconds)}
    return {
        KeyAccount(row.api_key_id, Period(row.period), row.begins): row
        for row in session.execute(_SPENDING_OF, asked)
    }


def _open(session: Session, names: Collection[KeyAccount]) -> None:
    """A new day or month begins with nothing spent."""
    rows = [{**name._asdict(), "spent_nanos": 0, "reserved_nanos": 0} for name in names]
    session.execute(insert_into(spending, dialect_of(session)).on_conflict_do_nothing(), rows)


def row_of(name: AccountId) -> Any:
    """The statement that changes its row."""
    if isinstance(name, BatchAccount):
        return update(batches).where(batches.c.id == name.batch_id)
    return update(spending).where(*named(name))


def named(account: KeyAccount) -> list[Any]:
    """The conditions that its row fulfils."""
    return [spending.c[column] == value for column, value in account._asdict().items()]


def _is_of(name: AccountId, job: Any) -> bool:
    if isinstance(name, BatchAccount):
        return bool(name.batch_id == job.batch_id)
    return bool(name.api_key_id == job.api_key_id)


def _reason(name: AccountId, account: Account) -> str:
    stands = f"of {shown(account.limit)}, {shown(account.spent)} are spent"
    needs = f"another call may cost up to {shown(account.wanted or 0)}"
    if isinstance(name, BatchAccount):
        return f"The budget of this batch is used up: {stands}, and {needs}. It goes on when it is raised."
    per = IN_PERIOD[name.period]
    return f"The budget of this API key ({per}) is used up: {stands}, and {needs}. It is to be raised."
