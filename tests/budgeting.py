"""Budgets in tests of the store: set, looked at, and swept by hand."""

from headrace.clock import now
from headrace.store import budgets, pausing
from headrace.store.accounts import BatchAccount


def limit_batch(store, batch_id, nanos):
    batch = store.batch_row(batch_id)
    with store.db.begin() as session:
        budgets.limit_batch(session, batch, nanos)


def limit_key(store, period, nanos, at=None):
    with store.db.begin() as session:
        budgets.limit_key(session, store.key_id, period, nanos, at or now())


def standing(store, period, at=None):
    with store.db.read() as session:
        found = budgets.standings(session, [store.key_id], at or now())
    return next((one for one in found.get(store.key_id, []) if one.period == period), None)


def percents(store, account):
    with store.db.read() as session:
        return [alert.percent for alert in budgets.alerts_of(session, [account])]


def closed(store, at=None):
    with store.db.read() as session:
        return pausing.closed(session, at or now())


def hold(store, batch_id, limit=1000):
    with store.db.begin() as session:
        return pausing.hold(session, BatchAccount(batch_id), limit)


def sweep(store, at=None):
    """What the sweep does about budgets; returns how many jobs were held, and how many go on."""
    held, resumed = 0, 0
    for one in closed(store, at):
        with store.db.begin() as session:
            if one.has_room:
                resumed += len(pausing.resume(session, one.account, now(), 1000))
                pausing.reopen(session, one.account)
            else:
                held += pausing.hold(session, one.account, 1000)
    return held, resumed
