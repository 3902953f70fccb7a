"""The sums of the ledger by hour: kept by each landing, and made again from the ledger."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    extract,
    func,
    insert,
    or_,
    select,
    text,
    type_coerce,
    union_all,
    update,
)
from sqlmodel import Session

from headrace.states import Outcome
from headrace.store.attempt_costs import COSTS, UNUSED
from headrace.store.batches import MONEY
from headrace.store.inserting import dialect_of, insert_into
from headrace.store.postings import HOUR, SENT, SUMS, TOKENS, Key, Posting
from headrace.store.tables import attempts, batches, jobs, spending, usage_hours

MICROSECONDS = 10**6
OF_BATCH = {
    **{name: name for name in MONEY},
    "ambiguous_calls": "doubtful_calls",
    "ambiguous_tokens": "doubtful_tokens",
}
"""What a batch keeps of the sums, and their names there."""

_ALONE = text(
    "SET LOCAL lock_timeout = 5000; LOCK TABLE batches IN EXCLUSIVE MODE; LOCK TABLE attempts IN SHARE MODE;"
    "LOCK TABLE usage_hours IN EXCLUSIVE MODE"
)


def add(session: Session, sums: Mapping[Key, Posting]) -> bool:
    """Add to the sums; returns whether any key has a budget, as it stands once no other can change that.

    Rows are taken in the order of `sums`, which is to be one everywhere.
    """
    rows = [
        {**key._asdict(), **{name: getattr(one, name) for name in SUMS}}
        for key, one in sums.items()
        if any(one[: len(SUMS)])
    ]
    connection, dialect = session.connection(), dialect_of(session)
    if not rows:
        return bool(connection.execute(select(_HAS_SPENDING)).scalar_one())
    *others, last = rows
    if others:
        connection.execute(_ADD[dialect], others)
    return bool(connection.execute(_ADD_AND_TELL[dialect], last).scalar_one())


def rebuild(session: Session) -> None:
    """Put what the ledger says in place of what was kept, of batches too. Departures and landings wait.

    On PostgreSQL it may meet them with their locks, and one of both ends with an OperationalError: try again.

    A million attempts take 5 to 20 s. On PostgreSQL a unit of work has 45 s; a session of the engine itself
    has no end.
    """
    dialect = dialect_of(session)
    if dialect == "postgresql":  # SQLite has one writer, and landings touch these tables in this order
        session.execute(_ALONE)
    session.execute(delete(usage_hours))
    session.execute(insert(usage_hours).from_select([*Key._fields, *SUMS], _ledger(dialect)))
    kept = or_(*(batches.c[name] != 0 for name in OF_BATCH))
    session.execute(update(batches).where(kept).values(dict.fromkeys(OF_BATCH, 0)))
    sums = {name: func.sum(usage_hours.c[of_hour]).label(name) for name, of_hour in OF_BATCH.items()}
    made = select(usage_hours.c.batch_id, *sums.values()).group_by(usage_hours.c.batch_id).subquery()
    of_batch = update(batches).where(batches.c.id == made.c.batch_id)
    session.execute(of_batch.values({name: made.c[name] for name in OF_BATCH}))


def differences(session: Session) -> dict[Key, Posting]:
    """What is kept beyond what the ledger says, where that is not the same. One statement."""
    ledger = _ledger(dialect_of(session)).subquery()
    keys = [usage_hours.c[name] for name in Key._fields]
    both = union_all(
        select(*keys, *(usage_hours.c[name] for name in SUMS)),
        select(*(ledger.c[name] for name in Key._fields), *((-ledger.c[name]).label(name) for name in SUMS)),
    ).subquery()
    groups = [both.c[name] for name in Key._fields]
    surplus = {name: func.sum(both.c[name]) for name in SUMS}
    unlike = select(*groups, *(total.label(name) for name, total in surplus.items())).group_by(*groups)
    found = session.execute(unlike.having(or_(*(total != 0 for total in surplus.values())))).all()
    width = len(Key._fields)
    return {Key._make(row[:width]): Posting._make((*map(int, row[width:]), 0)) for row in found}


_HAS_SPENDING = select(spending.c.api_key_id).exists()


def _adding(dialect: str) -> Any:
    made = insert_into(usage_hours, dialect)
    changes = {name: usage_hours.c[name] + made.excluded[name] for name in SUMS}
    return made.on_conflict_do_update(index_elements=list(Key._fields), set_=changes)


_ADD = {dialect: _adding(dialect) for dialect in ("postgresql", "sqlite")}
_ADD_AND_TELL = {dialect: adding.returning(_HAS_SPENDING) for dialect, adding in _ADD.items()}


def _ledger(dialect: str) -> Select[Any]:
    """The sums by `Key` over all attempts that add something: `postings.posting`, in SQL."""
    key = _key(dialect)
    sums = [func.sum(added).label(name) for name, added in _added().items()]
    counts = and_(attempts.c.outcome != Outcome.OPEN, or_(attempts.c.outcome.in_(sorted(SENT)), ~UNUSED))
    made = select(*(column.label(name) for name, column in key.items()), *sums)
    return (
        made.join_from(attempts, jobs, jobs.c.id == attempts.c.job_id).where(counts).group_by(*key.values())
    )


def _key(dialect: str) -> dict[str, ColumnElement[Any]]:
    columns = {
        "hour": _hour(attempts.c.departed_at, dialect),
        "api_key_id": jobs.c.api_key_id,
        "model": jobs.c.lane,
        "price_id": func.coalesce(attempts.c.price_id, ""),
        "batch_id": func.coalesce(jobs.c.batch_id, ""),
        "tags_id": jobs.c.tags_id,
        "service_tier": attempts.c.service_tier,
    }
    return {name: columns[name] for name in Key._fields}


def _added() -> dict[str, ColumnElement[Any]]:
    """What one attempt adds to each sum."""
    columns: dict[str, ColumnElement[Any]] = {
        "calls": case((attempts.c.outcome.in_(sorted(SENT)), 1), else_=0),
        **{name: attempts.c[name] for name in TOKENS},
        **COSTS,
    }
    return {name: columns[name] for name in SUMS}


def _hour(time: Column[Any], dialect: str) -> ColumnElement[Any]:
    """Unix seconds of the beginning of its hour (`postings.hour_of`)."""
    if dialect == "postgresql":
        return func.floor(extract("epoch", time) / HOUR).cast(BigInteger) * HOUR
    return type_coerce(time, BigInteger) // (HOUR * MICROSECONDS) * HOUR
