"""Budgets in tests of the store: set, looked at, and swept by hand."""

from dataclasses import replace
from decimal import Decimal

from headrace.clock import now
from headrace.pricing import Price, Rates
from headrace.states import JobState
from headrace.store import budgets, pausing
from headrace.store.accounts import BatchAccount
from tests.scene import AT_MOST, USAGE, succeeded

PRICE = Price("mill", "large-model", "the tests", rates=Rates(input=Decimal(1), output=Decimal(1)))
COST = USAGE.total_tokens * 1000  # nanos
MOST = AT_MOST * 1000


def states(store, batch_id):
    return sorted(job.state for job in store.jobs(batch_id))


def wait(store, batch_id):
    """A second passes, and what waits is due again."""
    for job in store.jobs(batch_id):
        if job.state == JobState.QUEUED:
            store.set_job(job.id, run_at=now())


def spend_all(store, batch_id, cost=None):
    """Call after call, each landing before the next one, until none departs; returns how many did."""
    calls = 0
    while departed := store.fly(1):
        calls += len(departed)
        usage = USAGE if cost is None else replace(USAGE, prompt_tokens=cost // 1000, completion_tokens=0)
        store.land(*(succeeded(flight, usage) for flight in departed))
        wait(store, batch_id)
    return calls


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
