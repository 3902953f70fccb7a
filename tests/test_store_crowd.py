"""Every verb at once, for a while: whatever happens, each job ends once and the sums agree."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from headrace.states import JobState
from tests.scene import WORKER, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]

LINES = 40
DEADLINE_SECONDS = 60
ENDS = (succeeded, retried, snoozed, failed)


class Crowd:
    """Workers, a sweeper that rescues from living ones, and an impatient owner, at the same three batches."""

    def __init__(self, store):
        self.store = store
        self.batch_ids = [store.batch(lines=LINES, max_attempts=50) for _ in range(3)]
        self.done = threading.Event()

    def run(self):
        parts = [self.own, self.sweep, *[lambda name=name: self.work(name) for name in (WORKER, "x", "x")]]
        with ThreadPoolExecutor(len(parts)) as pool:
            for part in [pool.submit(part) for part in parts]:
                part.result(DEADLINE_SECONDS)

    def work(self, worker):
        turn = 0
        while not self.done.is_set():
            turn += 1
            flights = self.store.fly(6, worker=worker)
            self.store.land(*(ENDS[(turn + place) % 4](flight) for place, flight in enumerate(flights)))

    def sweep(self):
        while not self.done.is_set():
            self.store.rescue("x")
            self.store.close(*self.batch_ids)

    def own(self):
        """Cancels the first batch whole, the second job by job, and of the third what is held."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        first, second, _ = self.batch_ids
        try:
            while self.store.batch_row(first).succeeded < 3:
                assert time.monotonic() < deadline, "nobody works"
            self.store.cancel_batch(first)
            while unfinished := [job for job in self.store.jobs() if not job.finished_at]:
                assert time.monotonic() < deadline, f"{len(unfinished)} jobs never end"
                self.store.end_waiting(first, JobState.CANCELLED, 5)
                mine = [job for job in unfinished if job.batch_id == second][:1]
                for job in mine + [job for job in unfinished if job.state == JobState.HELD]:
                    self.store.cancel(job.id)
        finally:
            self.done.set()


def test_every_verb_at_once_leaves_every_job_in_one_final_state(store):
    crowd = Crowd(store)

    crowd.run()

    assert sorted(store.close(*crowd.batch_ids)) == sorted(crowd.batch_ids)
    for batch_id in crowd.batch_ids:
        batch, rows = store.batch_row(batch_id), store.jobs(batch_id)
        counted = {state: getattr(batch, state) for state in ("succeeded", "failed", "cancelled", "expired")}
        assert Counter(row.state for row in rows) == Counter({s: n for s, n in counted.items() if n})
        assert sorted(row.result_no for row in rows) == list(range(1, LINES + 1))
        spent = [attempt.total_tokens for row in rows for attempt in store.attempts(row.id)]
        assert sum(spent) == sum(row.total_tokens for row in rows) == batch.total_tokens > 0
        assert all(row.calls == len(store.attempts(row.id)) for row in rows)
