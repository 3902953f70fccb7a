"""Many writers at once: nobody takes another's job, loses a number, or locks another out."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import jobs, landings, reading
from tests.scene import LANE, USAGE, WORKER, retried, succeeded

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
        return [store.land(*map(succeeded, four)) for four in zip(*[iter(mine)] * 4, strict=True)]

    named = together(*[lambda mine=flights[n::8]: land(mine) for n in range(8)])

    completed = [completed for thread in named for completed in thread if completed]
    assert completed == [[batch_id]], "the last landing, and no other, completed the batch"
    assert sorted(job.result_no for job in store.jobs(batch_id)) == list(range(1, 161))
    batch = store.batch_row(batch_id)
    assert (batch.status, batch.succeeded, batch.total_tokens) == (BatchStatus.FINALIZING, 160, 160 * 30)


def test_a_reader_of_results_misses_none_while_threads_land(store):
    batch_id = store.batch(lines=80)
    flights = store.fly()
    seen: list[int] = []

    def follow():
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(seen) < 80 and time.monotonic() < deadline:
            with store.db.read() as session:
                seen.extend(
                    row.result_no
                    for row in reading.results(session, batch_id, after=seen[-1] if seen else 0, limit=50)
                )
            time.sleep(0.005)

    def land(mine):
        for flight in mine:
            store.land(succeeded(flight))

    together(follow, *[lambda mine=flights[n::8]: land(mine) for n in range(8)])

    assert seen == list(range(1, 81))


def test_several_batches_landed_crosswise_lock_nobody_out(store):
    """Half of the threads finish jobs of one batch and add a retry's cost to the other, half the reverse."""
    one, other = store.batch(lines=90), store.batch(lines=90)
    flights = store.fly()
    pairs = list(zip(flights[:90], reversed(flights[90:]), strict=True))

    def land(mine, reverse):
        for pair in mine:
            ends, costs = reversed(pair) if reverse else pair
            store.land(retried(costs, usage=USAGE), succeeded(ends))

    together(*[lambda n=n: land(pairs[n::6], reverse=n % 2) for n in range(6)])

    for batch_id in (one, other):
        batch = store.batch_row(batch_id)
        assert (batch.succeeded, batch.total_tokens) == (45, 90 * USAGE.total_tokens)
        numbers = [job.result_no for job in store.jobs(batch_id) if job.finished_at]
        assert sorted(numbers) == list(range(1, 46))


def until_somebody_waits(store):
    """Until a session of this PostgreSQL database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        with store.db.read() as session:
            if session.execute(waiting).scalar_one():
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


def test_a_batch_is_finished_by_one_of_many(store):
    batch_id = store.batch()
    store.land(*map(succeeded, store.fly()))

    done = together(*[lambda: store.finish(batch_id, BatchStatus.COMPLETED)] * 4)

    assert sorted(done) == [False, False, False, True]
