"""Many writers at once: nobody takes another's job, loses a number, or locks another out."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import batches, jobs, landings, reading
from tests.scene import LANE, WORKER, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]

DEADLINE_SECONDS = 30


def together(*work):
    """Runs the functions at the same time, each in a thread; returns their results."""
    start = threading.Barrier(len(work))

    def run(function):
        start.wait(DEADLINE_SECONDS)
        return function()

    with ThreadPoolExecutor(len(work)) as pool:
        return [done.result(DEADLINE_SECONDS) for done in [pool.submit(run, each) for each in work]]


def test_sixteen_claimers_share_no_job(store):
    ids = store.inline(200)

    def claim_all():
        claimed = []
        while slice_ := store.claim(7):
            claimed += slice_
        return claimed

    claims = [claim for claimed in together(*[claim_all] * 16) for claim in claimed]

    assert sorted(claim.job_id for claim in claims) == ids
    assert {job.id: job.lease_token for job in store.jobs()} == {
        claim.job_id: claim.token for claim in claims
    }


def test_eight_threads_landing_at_once_number_the_results_without_gaps(store):
    batch_id = store.batch(lines=160)
    flights = store.fly()

    def land(mine):
        return [
            named
            for start in range(0, 20, 4)
            for named in store.land(*map(succeeded, mine[start : start + 4]))
        ]

    named = together(*[lambda mine=flights[n::8]: land(mine) for n in range(8)])

    assert sum(named, []) == [batch_id], "the last of them, and no other, completed the batch"
    assert sorted(job.result_no for job in store.jobs(batch_id)) == list(range(1, 161))
    batch = store.batch_row(batch_id)
    assert (batch.status, batch.succeeded, batch.total_tokens) == (BatchStatus.FINALIZING, 160, 160 * 30)


def test_a_reader_of_results_misses_none_while_threads_land(store):
    batch_id = store.batch(lines=120)
    flights = store.fly()
    seen = []

    def follow():
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(seen) < 120 and time.monotonic() < deadline:
            with store.db.read() as session:
                seen.extend(
                    row.result_no
                    for row in reading.results(session, batch_id, after=seen[-1] if seen else 0, limit=50)
                )

    def land(mine):
        for flight in mine:
            store.land(succeeded(flight))

    together(follow, *[lambda mine=flights[n::8]: land(mine) for n in range(8)])

    assert seen == list(range(1, 121))


def test_several_batches_landed_crosswise_lock_nobody_out(store):
    one, other = store.batch(lines=120), store.batch(lines=120)
    flights = store.fly()
    of_one, of_other = flights[:120], flights[120:]

    def land(mine, ends):
        for first, second in mine:
            store.land(*(end(flight) for end, flight in zip(ends, (first, second), strict=True)))

    pairs = list(zip(of_one, reversed(of_other), strict=True))
    together(
        *[
            lambda n=n: land([pair[:: 1 if n % 2 else -1] for pair in pairs[n::6]], (succeeded, failed))
            for n in range(6)
        ]
    )

    for batch_id in (one, other):
        batch = store.batch_row(batch_id)
        assert (batch.succeeded, batch.failed) == (60, 60)
        assert sorted(job.result_no for job in store.jobs(batch_id)) == list(range(1, 121))


def test_every_verb_at_once_leaves_every_job_in_one_final_state(store):
    """Workers, sweepers and an impatient owner meet on three batches; a stale worker lands late."""
    ids = [store.batch(lines=40, max_attempts=50) for _ in range(3)]
    done = threading.Event()

    def work(worker):
        ends = [succeeded, retried, snoozed, failed]
        turn = 0
        while not done.is_set():
            flights = store.fly(6, worker=worker)
            turn += 1
            store.land(*(ends[(turn + n) % 4](flight) for n, flight in enumerate(flights)))

    def sweep():
        while not done.is_set():
            store.rescue("doomed")
            store.close(*ids)

    def owner():
        deadline = time.monotonic() + DEADLINE_SECONDS
        try:
            store.cancel_batch(ids[0])
            while any(store.batch_row(id_).status in {"in_progress", "cancelling"} for id_ in ids):
                assert time.monotonic() < deadline
                store.end_waiting(ids[0], JobState.CANCELLED, 5)
                if store.close(ids[0]):
                    store.finish(ids[0], BatchStatus.CANCELLED)
                for job in [job for job in store.jobs(ids[1]) if not job.finished_at][:1]:
                    store.cancel(job.id)
        finally:
            done.set()

    together(owner, sweep, *[lambda name=name: work(name) for name in (WORKER, "doomed", "doomed")])

    for batch_id in ids:
        batch, rows = store.batch_row(batch_id), store.jobs(batch_id)
        ends = Counter(row.state for row in rows)
        assert sum(ends.values()) == 40
        assert ends == Counter(
            {
                state: getattr(batch, state)
                for state in ("succeeded", "failed", "cancelled")
                if getattr(batch, state)
            }
        )
        assert sorted(row.result_no for row in rows) == list(range(1, 41))
        spent = [attempt.total_tokens for row in rows for attempt in store.attempts(row.id)]
        assert sum(spent) == sum(row.total_tokens for row in rows) == batch.total_tokens


def until_somebody_waits(store, count=1):
    """Until `count` sessions of this PostgreSQL database wait for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        with store.db.read() as session:
            if session.execute(waiting).scalar_one() >= count:
                return
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


def test_a_cancel_during_a_retrys_commit_is_not_lost(postgresql):
    store = postgresql
    (job_id,) = store.inline()
    (flight,) = store.fly()

    with ThreadPoolExecutor(1) as pool:
        with store.db.begin() as session:
            landings.land(session, [retried(flight)])
            cancelled = pool.submit(store.cancel, job_id)
            until_somebody_waits(store)
        cancelled.result(DEADLINE_SECONDS)

    assert store.job(job_id).state == JobState.CANCELLED


def test_a_landing_and_a_rescue_do_not_lock_each_other_out(postgresql):
    store = postgresql
    first, second = store.inline(2)
    flights = store.fly()

    with ThreadPoolExecutor(1) as pool:
        with store.db.begin() as session:
            jobs.cancel_one(session, first)
            landed = pool.submit(store.land, *map(succeeded, flights))
            until_somebody_waits(store)
            assert store.rescue(WORKER) == 1
        landed.result(DEADLINE_SECONDS)

    assert {store.job(job_id).state for job_id in (first, second)} == {JobState.SUCCEEDED}
    assert {store.attempts(job_id)[0].outcome for job_id in (first, second)} == {Outcome.SUCCEEDED}


def test_claimers_do_not_wait_for_rows_that_another_holds(postgresql):
    store = postgresql
    store.inline(2)
    with store.db.begin() as session:
        (mine,) = jobs.claim(session, LANE, 1, WORKER)
        (other,) = store.claim()

    assert mine.job_id != other.job_id


def test_sweepers_closing_batches_and_landings_do_not_lock_each_other_out(postgresql):
    store = postgresql
    ids = [store.batch(lines=1) for _ in range(2)]
    flights = store.fly()
    for flight in flights:
        store.land(succeeded(flight))

    with ThreadPoolExecutor(2) as pool:
        with store.db.begin() as session:
            batches.lock(session, ids[0])
            closing = [pool.submit(store.close, *order) for order in (ids, ids[::-1])]
            assert sorted(store.close(ids[1])) == [ids[1]]
        assert [sorted(closed.result(DEADLINE_SECONDS)) for closed in closing] == [sorted(ids)] * 2


@pytest.mark.parametrize("threads", [4])
def test_a_batch_is_finished_by_one_of_many(store, threads):
    batch_id = store.batch()
    store.land(*map(succeeded, store.fly()))

    done = together(*[lambda: store.finish(batch_id, BatchStatus.COMPLETED)] * threads)

    assert sorted(done) == [False] * (threads - 1) + [True]
