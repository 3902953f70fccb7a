"""The invariants I1 to I10 of this system, checked over everything that a scenario left behind.

I10 (it drains in time) is each scenario's own deadline, which it waits for before it asks here.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import redis as redis_py
from sqlmodel import select

from headrace.db import Database
from headrace.models import Attempt, Batch, Worker
from headrace.states import BATCH_FINAL, FINAL, JobState, Outcome
from headrace.store import tables
from headrace.store.finishing import WORKER_LOST
from headrace.store.postings import is_in_doubt
from headrace.usage import NO_USAGE
from tests.bills import wrong_bill, wrong_sums
from tests.leaks import leaks
from tests.outputs import unlike_their_jobs
from tests.pace import Limits, above
from tests.witness import TOKENS, Call, tokens_of, unexplained

CANCEL_SECONDS = 2.0
SHOWN = 12
COUNTS = ("succeeded", "failed", "cancelled", "expired")
GIVEN_BACK = (Outcome.REFUSED, Outcome.NOT_SENT)


class Cancelled(NamedTuple):
    """A batch whose cancel was acknowledged at `at`, in Unix seconds."""

    batch_id: str
    at: float


class Log(Protocol):
    """A witness: all calls that a provider received."""

    def calls(self) -> list[Call]:
        """In the order of their arrival."""


class Account(NamedTuple):
    """What a scenario came to. `lost` calls have a worker that died, `ambiguous` ones an unknown cost."""

    jobs: int
    calls: int
    attempts: int
    succeeded: int
    lost: int
    ambiguous: int
    billed_tokens: int
    booked_tokens: int

    @property
    def extra_calls(self) -> int:
        """Calls beyond one a job."""
        return self.calls - self.jobs


class Violated(AssertionError):
    """What does not hold, all of it."""

    def __init__(self, found: Sequence[str]) -> None:
        """`found` are sentences that begin with the name of an invariant."""
        self.found = list(found)
        by_name: dict[str, list[str]] = defaultdict(list)
        for what in found:
            by_name[what.split(" ", 1)[0]].append(what)
        lines = [f"{len(found)} violations"]
        for _, of_one in sorted(by_name.items()):
            lines += [f"  {what}" for what in of_one[:SHOWN]]
            if len(of_one) > SHOWN:
                lines.append(f"  {of_one[0].split(' ', 1)[0]} and {len(of_one) - SHOWN} more")
        super().__init__("\n".join(lines))


def check(
    db: Database,
    witnesses: Sequence[Log],
    *,
    files: Path | None = None,
    redis: "redis_py.Redis | None" = None,
    limits: Limits | None = None,
    logs: Iterable[Path] = (),
    bodies: Iterable[str] = (),
    secrets: Collection[str] = (),
    cancelled: Iterable[Cancelled] = (),
    released: Collection[int] = (),
    allow: Collection[JobState] = (JobState.HELD,),
) -> Account:
    """Everything at once: raises Violated with all that does not hold, else returns what it came to.

    `files` is the folder of our files, for I2; `limits` hold for all calls together (I6); `logs` (files or
    folders), `bodies` (of errors) and `redis` must hold none of `secrets` (I9); `released` are the held
    jobs that a person sent again, their crashes forgiven; `allow` are the states besides the final ones in
    which jobs may be now. Every call that the witnesses saw must be of this database. Waits until no call
    is under way.
    """
    calls = [call for witness in witnesses for call in witness.calls()]
    rows = _Rows(db)
    found = [*rows.violations(allow), *wrong_sums(db), *unexplained(calls, rows.attempts)]
    found += [*rows.unended(allow), *rows.answered_again(), *rows.not_given_back(released)]
    found += _late_calls(calls, rows, cancelled)
    if files is not None:
        found += unlike_their_jobs(db, files)
    if limits is not None:
        found += above(limits, calls)
    found += leaks(secrets, logs=logs, bodies=bodies, redis=redis)
    if found:
        raise Violated(found)
    return rows.account(calls)


def check_rows(db: Database, *, allow: Collection[JobState] = tuple(JobState)) -> None:
    """Those that the database alone can break; in the midst of work too. Raises Violated."""
    if found := [*_Rows(db).violations(allow), *wrong_sums(db)]:
        raise Violated(found)


class _Rows:
    """The tables as one transaction saw them, without bodies and answers."""

    def __init__(self, db: Database) -> None:
        names = ("id", "batch_id", "state", "worker_id", "attempts", "calls", "crashes", "result_no", *TOKENS)
        with db.read() as session:
            wanted = select(*(tables.jobs.c[name] for name in names))
            self.jobs: dict[int, Any] = {row.id: row for row in session.execute(wanted)}
            self.batches: dict[str, Batch] = {batch.id: batch for batch in session.exec(select(Batch))}
            self.attempts: dict[str, Attempt] = {one.id: one for one in session.exec(select(Attempt))}
            self.workers = set(session.exec(select(Worker.id)))
        self.by_job: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in self.attempts.values():
            self.by_job[attempt.job_id].append(attempt)
        self.by_batch: dict[str, list[Any]] = defaultdict(list)
        for job in self.jobs.values():
            if job.batch_id:
                self.by_batch[job.batch_id].append(job)

    def violations(self, allow: Collection[JobState]) -> Iterator[str]:
        """I1, I2, I4 and I5, as far as rows tell."""
        for job in self.jobs.values():
            for what in _wrong_with_job(job, self.by_job[job.id], self.workers, allow):
                yield f"{what}: job {job.id} of {job.batch_id}"
        for batch in self.batches.values():
            jobs = self.by_batch[batch.id]
            attempts = [one for job in jobs for one in self.by_job[job.id]]
            for what in (*_wrong_with_batch(batch, jobs, attempts), *wrong_bill(batch, attempts)):
                yield f"{what}: {batch.id}, {batch.status}"

    def answered_again(self) -> Iterator[str]:
        """Jobs that were called again with no crash as the reason (which a person may have forgiven)."""
        for job in self.jobs.values():
            answers = sum(one.outcome == Outcome.SUCCEEDED for one in self.by_job[job.id])
            if answers > job.crashes + (job.state == JobState.SUCCEEDED):
                yield f"I4 {job.state}, answered {answers} times after {job.crashes} crashes: job {job.id}"

    def not_given_back(self, released: Collection[int]) -> Iterator[str]:
        """Jobs that paid an attempt for a call that costs none, such as a refused one, and had no crash."""
        for job in self.jobs.values():
            attempts = self.by_job[job.id]
            paid = sum(one.outcome not in GIVEN_BACK for one in attempts)
            crashed = job.crashes or any(one.error_code == WORKER_LOST for one in attempts)
            excused = crashed or job.state == JobState.CANCELLED or job.id in released
            if job.attempts > paid and not excused:
                yield f"I4 {job.attempts} attempts counted, and {paid} calls cost one: job {job.id}"

    def unended(self, allow: Collection[JobState]) -> Iterator[str]:
        """Batches that should be final: none of their jobs may wait or run."""
        for batch in self.batches.values():
            waiting = any(job.state in allow for job in self.by_batch[batch.id])
            if batch.status not in BATCH_FINAL and not waiting and JobState.QUEUED not in allow:
                yield f"I1 all its jobs are final, and it is {batch.status}: {batch.id}"

    def account(self, calls: Sequence[Call]) -> Account:
        """The sums."""
        attempts = self.attempts.values()
        return Account(
            jobs=len(self.jobs),
            calls=len(calls),
            attempts=len(attempts),
            succeeded=sum(job.state == JobState.SUCCEEDED for job in self.jobs.values()),
            lost=sum(attempt.error_code == WORKER_LOST for attempt in attempts),
            ambiguous=sum(attempt.outcome == Outcome.AMBIGUOUS for attempt in attempts),
            billed_tokens=tokens_of(call.usage for call in calls if call.usage)["total_tokens"],
            booked_tokens=tokens_of(attempts)["total_tokens"],
        )


def _wrong_with_job(
    job: Any, attempts: Sequence[Attempt], workers: Collection[str], allow: Collection[JobState]
) -> Iterator[str]:
    if job.state not in FINAL and job.state not in allow:
        yield f"I1 still {job.state}"
    if job.state == JobState.RUNNING and job.worker_id not in workers:
        yield f"I1 running under {job.worker_id}, which is gone"
    if job.state == JobState.SUCCEEDED and not any(one.outcome == Outcome.SUCCEEDED for one in attempts):
        yield "I4 succeeded without an answer"
    if (job.result_no is not None) != (job.state in FINAL and job.batch_id is not None):
        yield f"I2 {job.state} with result number {job.result_no}"
    if sorted(one.number for one in attempts) != list(range(1, job.calls + 1)):
        yield f"I4 {job.calls} calls, and attempts {sorted(one.number for one in attempts)}"
    if sum(one.outcome not in GIVEN_BACK for one in attempts) > job.attempts:
        yield f"I4 more calls than its {job.attempts} attempts may have been paid for"
    if tokens_of(attempts) != tokens_of([job]):
        yield "I5 its tokens are not those of its attempts"


def _wrong_with_batch(batch: Batch, jobs: Sequence[Any], attempts: Sequence[Attempt]) -> Iterator[str]:
    states = Counter(job.state for job in jobs)
    counted = {name: getattr(batch, name) for name in COUNTS}
    if counted != {name: states[name] for name in COUNTS}:
        yield f"I1 counts {counted}, but its jobs are {dict(states)}"
    if batch.ingested != len(jobs):
        yield f"I1 {batch.ingested} lines ingested, but {len(jobs)} jobs"
    ended = len(jobs) == batch.total and all(job.state in FINAL for job in jobs)
    if batch.status in BATCH_FINAL and not ended:
        yield f"I1 final, with {len(jobs)} of {batch.total} jobs, which are {dict(states)}"
    if sorted(job.result_no for job in jobs if job.result_no) != list(range(1, sum(counted.values()) + 1)):
        yield "I2 its result numbers have a gap"
    if tokens_of(jobs) != tokens_of([batch]):
        yield "I5 its tokens are not those of its jobs"
    unknown = [one for one in attempts if _cost_is_unknown(one)]
    bound = (len(unknown), sum(one.tokens_at_most for one in unknown))
    if (batch.ambiguous_calls, batch.ambiguous_tokens) != bound:
        yield f"I5 ambiguous {batch.ambiguous_calls}, {batch.ambiguous_tokens}, of its attempts {bound}"


def _cost_is_unknown(attempt: Attempt) -> bool:
    return is_in_doubt(attempt.outcome, NO_USAGE) and not attempt.total_tokens


def _late_calls(calls: Iterable[Call], rows: _Rows, cancelled: Iterable[Cancelled]) -> Iterator[str]:
    until = {batch_id: at + CANCEL_SECONDS for batch_id, at in cancelled}
    for call in calls:
        attempt = rows.attempts.get(call.attempt)
        batch_id = rows.jobs[attempt.job_id].batch_id if attempt else None
        if batch_id in until and call.at > until[batch_id]:
            late = call.at - until[batch_id] + CANCEL_SECONDS
            yield f"I8 called {late:.1f} s after its cancel: {call.attempt} of {batch_id}"
