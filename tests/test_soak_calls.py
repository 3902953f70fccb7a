"""A soak's verdict on calls sees jobs that failed and calls that no fault explains."""

import time

import pytest

from headrace.store import workers
from headrace.usage import NO_USAGE
from tests.kinds import on_sqlite
from tests.scene import WORKER, failed, retried, snoozed, succeeded
from tests.soak.calls import Reasons, unexplained_ends
from tests.soak.processes import Struck
from tests.witness import Call

pytest_plugins = ["tests.databases"]
pytestmark = on_sqlite

LEASE_SECONDS = 12.0
QUIET = Reasons([], LEASE_SECONDS, [])


def call(flight, status=200, fault=None):
    return Call(flight.attempt_id, "m", time.time(), status, fault, None, 30)


def killed(open_calls):
    return Struck(WORKER, open_calls, time.time() - 1, time.time(), was_killed=True)


def stopped(seconds, open_calls=1):
    return Struck(WORKER, open_calls, time.time() - seconds, time.time())


def told(store, calls, reasons=QUIET):
    return " | ".join(unexplained_ends(store.db, calls, reasons))


@pytest.fixture
def rescued(store):
    """A job whose worker was lost while it called, and that was called again: the calls."""
    store.inline()
    (first,) = store.fly()
    with store.db.begin() as session:
        workers.retire(session, [WORKER])
        workers.register(session, "worker-2", host="here", pid=2)
    store.rescue()
    (again,) = store.fly(worker="worker-2")
    store.land(succeeded(again))
    return [call(first), call(again)]


def test_refused_and_ambiguous_calls_are_reasons_to_call_again(store):
    store.inline()
    (refused,) = store.fly()
    store.land(snoozed(refused))
    (cut,) = store.fly()
    store.land(retried(cut, error_code="connection_lost"))
    (good,) = store.fly()
    store.land(succeeded(good))

    assert told(store, [call(refused, 429), call(cut, 200, "cut"), call(good)]) == ""


def test_a_job_that_failed_and_a_fault_of_our_own_are_seen(store):
    store.inline(2)
    one, other = store.fly()
    store.land(failed(one))
    store.land(retried(other, error_code="internal_error", error_message="headrace failed: KeyError"))

    seen = told(store, [call(one, 400), call(other, 200, "cut")])

    assert "I1 failed, None: job" in seen
    assert "I1 queued, internal_error: job" in seen
    assert "I4 headrace failed: KeyError" in seen


def test_a_lost_worker_must_have_been_killed_or_stopped_for_a_lease(store, rescued):
    assert told(store, rescued, Reasons([killed(1)], LEASE_SECONDS, [])) == ""
    assert told(store, rescued, Reasons([stopped(13)], LEASE_SECONDS, [])) == ""

    assert f"lost by {WORKER}, which lived" in told(store, rescued)
    assert f"lost by {WORKER}, which lived" in told(store, rescued, Reasons([stopped(2)], LEASE_SECONDS, []))


def test_calls_again_are_no_more_than_were_open_at_the_kills(store, rescued):
    assert "I4 1 calls again, and 0 were under way" in told(
        store, rescued, Reasons([killed(0)], LEASE_SECONDS, [])
    )


def test_an_answer_in_full_is_lost_only_to_a_bad_network_or_a_stopped_worker(store):
    store.inline()
    (lost,) = store.fly()
    store.land(retried(lost, usage=NO_USAGE, error_code="connection_lost"))
    now = time.time()

    assert "I4 answered in full, and ambiguous (connection_lost" in told(store, [call(lost)])
    assert told(store, [call(lost)], Reasons([], LEASE_SECONDS, [(now - 5, now + 5)])) == ""
    assert told(store, [call(lost)], Reasons([stopped(2)], LEASE_SECONDS, [])) == ""
    before = Reasons([], LEASE_SECONDS, [(now - 50, now - 45)])
    assert "I4 answered in full" in told(store, [call(lost)], before)
