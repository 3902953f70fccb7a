"""The sums by hour that landings keep are those that the ledger has."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text, update

from headrace import clock
from headrace.ids import new_id
from headrace.pricing import Price, Rates
from headrace.states import Outcome
from headrace.store import jobs, prices, usage_hours
from headrace.store.jobs import Departure
from headrace.store.landings import Landing, Verb
from headrace.store.postings import Key, Posting
from headrace.store.tables import attempts
from headrace.store.tables import usage_hours as sums_by_hour
from headrace.usage import NO_USAGE, Usage
from tests.frozen_clock import Frozen
from tests.priced import usages
from tests.scene import AT_MOST, WORKER, Scene, failed, retried, succeeded
from tests.simulated import eventually

pytest_plugins = ["tests.databases"]

KNOWN = Price("p", "m", rates=Rates(input=Decimal("0.15"), output=Decimal("0.6")))
SILENT = Usage(prompt_tokens=100, cached_tokens=40, completion_tokens=7, total_tokens=107)
UNKNOWN = Price("p", "unknown")
ENDS = {
    Outcome.SUCCEEDED: Verb.SUCCEED,
    Outcome.FAILED: Verb.FAIL,
    Outcome.AMBIGUOUS: Verb.RETRY,
    Outcome.REFUSED: Verb.SNOOZE,
    Outcome.NOT_SENT: Verb.SNOOZE,
}


class Call(NamedTuple):
    """How a call goes: at which price, whether its worker seems dead meanwhile, how it ends, if it does."""

    price: Price | None
    rescued: bool
    outcome: Outcome | None
    usage: Usage
    service_tier: str
    minutes: int


calls = st.builds(
    Call,
    price=st.sampled_from([KNOWN, KNOWN, UNKNOWN, None]),
    rescued=st.booleans(),
    outcome=st.sampled_from([Outcome.SUCCEEDED, *ENDS, None]),
    usage=st.sampled_from([NO_USAGE, SILENT]) | usages(),
    service_tier=st.sampled_from(["", "default", "flex"]),
    minutes=st.sampled_from([0, 10, 50, 200]),
)


EACH_KIND = [
    Call(KNOWN, rescued=False, outcome=Outcome.SUCCEEDED, usage=SILENT, service_tier="", minutes=0),
    Call(UNKNOWN, rescued=False, outcome=Outcome.SUCCEEDED, usage=SILENT, service_tier="", minutes=10),
    Call(KNOWN, rescued=True, outcome=None, usage=NO_USAGE, service_tier="", minutes=50),
    Call(KNOWN, rescued=True, outcome=Outcome.SUCCEEDED, usage=SILENT, service_tier="flex", minutes=200),
]


def test_the_sums_that_landings_keep_are_those_of_the_ledger(store, monkeypatch):
    is_sqlite = store.db.engine.dialect.name == "sqlite"
    frozen = Frozen()
    monkeypatch.setattr(clock, "_clock", frozen)
    with store.db.begin() as session:
        prices.remember(session, KNOWN)
        prices.remember(session, UNKNOWN)

    @settings(
        deadline=None,
        max_examples=40 if is_sqlite else 15,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(calls, min_size=1, max_size=6), st.booleans())
    @example(EACH_KIND, True)
    def whatever_happens(planned, again):
        happen(store, frozen, planned)
        with store.db.read() as session:
            assert usage_hours.differences(session) == {}
        if again:
            before = kept(store)
            with store.db.begin() as session:
                usage_hours.rebuild(session)
            assert kept(store) == {key: one for key, one in before.items() if any(one)}

    whatever_happens()
    assert any(one.doubtful_calls for one in kept(store).values())
    assert any(one.unpriced_calls for one in kept(store).values())
    assert any(one.cost_nanos for one in kept(store).values())


def test_what_is_kept_beyond_the_ledger_is_told_and_goes(store):
    flight = store.fly(1) if store.inline(1) else []
    store.land(succeeded(flight[0]))
    true = kept(store)
    (key,) = true
    wrong = Key._make((key.hour + 3600, *key[1:]))
    with store.db.begin() as session:
        usage_hours.add(session, {key: Posting(calls=2), wrong: Posting(cost_nanos=5)})

    with store.db.begin() as session:
        assert usage_hours.differences(session) == {key: Posting(calls=2), wrong: Posting(cost_nanos=5)}
        usage_hours.rebuild(session)

    assert kept(store) == true


def test_calls_of_a_release_before_have_no_price(store):
    store.inline(3)
    done, lost, no = store.fly(3)
    store.land(succeeded(done), retried(lost), failed(no))
    with store.db.begin() as session:
        session.execute(update(attempts).values(price_id=None, cost_nanos=None, cost_at_most_nanos=None))
        usage_hours.rebuild(session)

    ((key, sums),) = kept(store).items()
    assert key.price_id == ""
    assert (sums.calls, sums.doubtful_calls, sums.doubtful_tokens) == (3, 1, AT_MOST)
    assert (sums.unpriced_calls, sums.cost_nanos) == (2, 0)  # what failed unpaid cost nothing


def test_a_landing_waits_while_the_sums_are_made_again(postgresql):
    store = postgresql
    store.inline(1)
    (flight,) = store.fly(1)
    landing = threading.Thread(target=lambda: store.land(succeeded(flight)), daemon=True)

    def between(_connection, _cursor, statement, *_rest):
        """The old sums are gone, the ledger is not read yet."""
        if statement.startswith("INSERT INTO usage_hours") and not landing.ident:
            landing.start()
            eventually(lambda: not landing.is_alive() or waits_for_a_lock(store), 60)

    event.listen(store.db.engine, "before_cursor_execute", between)
    try:
        with store.db.begin() as session:
            usage_hours.rebuild(session)
    finally:
        event.remove(store.db.engine, "before_cursor_execute", between)
    landing.join(60)

    with store.db.read() as session:
        assert usage_hours.differences(session) == {}
    assert sum(one.calls for one in kept(store).values()) == 1


def waits_for_a_lock(store: Scene) -> bool:
    with store.db.read() as session:
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return session.execute(text(waiting)).first() is not None


def happen(store: Scene, frozen: Frozen, planned: list[Call]) -> None:
    """The calls leave one after the other, and land in the other order: some after a rescue, some never."""
    store.batch(len(planned) // 2 + 1, window=timedelta(days=9000), max_attempts=9)
    store.inline(len(planned), max_attempts=9)
    flights = []
    for call in planned:
        frozen.time += timedelta(minutes=call.minutes)
        for claim in store.claim(1):
            flights += [(call, flight) for flight in fly(store, claim, call)]
        if call.rescued:
            store.rescue(WORKER)
    for call, flight in reversed(flights):
        if call.outcome is not None:
            store.land(ended(call, call.outcome, flight))


def fly(store: Scene, claim, call: Call) -> list[Departure]:
    price = call.price
    flight = Departure(
        claim,
        new_id("att_"),
        tokens_booked=100,
        tokens_at_most=AT_MOST,
        price_id=price.id if price else None,
        cost_at_most_nanos=price.at_most(1000, 1000) if price else None,
    )
    with store.db.begin() as session:
        return [flight] if flight.attempt_id in jobs.depart(session, [flight], WORKER) else []


def ended(call: Call, outcome: Outcome, flight: Departure) -> Landing:
    verb = ENDS[outcome]
    paid = outcome not in (Outcome.REFUSED, Outcome.NOT_SENT)
    return Landing(
        flight.claim.job_id,
        flight.claim.token,
        flight.attempt_id,
        verb,
        outcome,
        usage=call.usage if paid else NO_USAGE,
        run_at=clock.now() if verb in (Verb.RETRY, Verb.SNOOZE) else None,
        answer="{}" if verb in (Verb.SUCCEED, Verb.FAIL) else None,
        service_tier=call.service_tier if paid else "",
    )


def kept(store: Scene) -> dict[Key, Posting]:
    with store.db.read() as session:
        rows = session.execute(select(sums_by_hour)).mappings().all()
    return {
        Key._make(row[name] for name in Key._fields): Posting._make(
            [*(row[name] for name in Posting._fields[:-1]), 0]
        )
        for row in rows
    }
