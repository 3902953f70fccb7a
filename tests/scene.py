"""What tests of the store begin with: rows made by its own verbs, each a transaction, and a look at them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from headrace.clock import now
from headrace.db import Database
from headrace.ids import new_id
from headrace.models import Attempt, Batch, Job
from headrace.pricing import Price
from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import (
    batches,
    holding,
    jobs,
    keys,
    landings,
    prices,
    reading,
    sweeping,
    tables,
    workers,
)
from headrace.store.jobs import Claim, Departure, NewJob
from headrace.store.landings import Landing, Verb
from headrace.usage import Usage

LANE = "small-model"
WORKER = "worker-1"
DAY = timedelta(days=1)
AT_MOST = 2000
USAGE = Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=20, reasoning_tokens=5, total_tokens=30)


def ping(db: Database) -> None:
    """Raises an SQLAlchemy error unless the database answers."""
    with db.read() as session:
        session.connection().exec_driver_sql("SELECT 1")


class Scene:
    """Makes rows in an empty database and looks at what became of them."""

    price: Price | None = None

    def __init__(self, db: Database) -> None:
        self.db = db
        with db.begin() as session:
            self.key_id = keys.create(session, "the tests")[0].id
            workers.register(session, WORKER, host="here", pid=1)

    def new_batch(self, *, window: timedelta = DAY) -> str:
        """A batch that waits to be validated."""
        batch = Batch(
            id=new_id("batch_"),
            api_key_id=self.key_id,
            endpoint="/v1/chat/completions",
            input_file_id="file-input",
            completion_window="24h",
            expires_at=now() + window,
        )
        with self.db.begin() as session:
            batches.create(session, batch)
        return batch.id

    def batch(
        self, lines: int = 1, *, lane: str = LANE, window: timedelta = DAY, max_attempts: int = 3
    ) -> str:
        """A batch in progress, with all its lines queued."""
        batch_id = self.new_batch(window=window)
        with self.db.begin() as session:
            assert batches.begin(session, batch_id, total=lines, model=lane)
        self.ingest(batch_id, range(1, lines + 1), lane=lane, max_attempts=max_attempts)
        return batch_id

    def ingest(self, batch_id: str, lines: Sequence[int], *, lane: str = LANE, max_attempts: int = 3) -> None:
        """One slice of a batch's input."""
        with self.db.begin() as session:
            jobs.submit(
                session,
                [new_job(line, lane) for line in lines],
                api_key_id=self.key_id,
                batch_id=batch_id,
                max_attempts=max_attempts,
            )
            batches.ingested(session, batch_id, lines=len(lines), offset=100 * lines[-1])

    def inline(self, count: int = 1, *, lane: str = LANE, max_attempts: int = 3) -> list[int]:
        """Jobs without a batch."""
        new = [new_job(line, lane) for line in range(1, count + 1)]
        with self.db.begin() as session:
            return jobs.submit_inline(session, new, api_key_id=self.key_id, max_attempts=max_attempts)

    def claim(self, limit: int = 1000, *, lane: str = LANE, worker: str = WORKER) -> list[Claim]:
        """What a worker gets; one that was not registered is dead a moment later."""
        with self.db.begin() as session:
            if worker in workers.counters(session):
                return jobs.claim(session, lane, limit, worker)
            workers.register(session, worker, host="there", pid=2)
            claims = jobs.claim(session, lane, limit, worker)
            workers.retire(session, [worker])
            return claims

    def depart(self, claims: Sequence[Claim], *, worker: str = WORKER) -> list[Departure]:
        """Those of the claims that may go."""
        leaving = [self.departure(claim) for claim in claims]
        with self.db.begin() as session:
            going = jobs.depart(session, leaving, worker)
        return [departure for departure in leaving if departure.attempt_id in going]

    def departure(self, claim: Claim) -> Departure:
        """Of a call that uses at most 2,000 tokens, at this scene's price if it has one."""
        leaving = Departure(claim, new_id("att_"), tokens_booked=100, tokens_at_most=AT_MOST)
        if self.price is None:
            return leaving
        at_most = self.price.at_most(AT_MOST // 2, AT_MOST // 2)
        return leaving._replace(price_id=self.price.id, cost_at_most_nanos=at_most)

    def charge(self, price: Price) -> None:
        """Calls depart at this price from now on."""
        self.price = price
        with self.db.begin() as session:
            prices.remember(session, price)

    def fly(self, limit: int = 1000, *, lane: str = LANE, worker: str = WORKER) -> list[Departure]:
        """Claimed and departed: calls under way."""
        return self.depart(self.claim(limit, lane=lane, worker=worker), worker=worker)

    def land(self, *ended: Landing) -> list[str]:
        with self.db.begin() as session:
            return landings.land(session, ended)

    def release(self, claims: Sequence[Claim], run_at: datetime | None = None) -> None:
        with self.db.begin() as session:
            jobs.release(session, claims, run_at or now())

    def cancel(self, job_id: int) -> None:
        with self.db.begin() as session:
            jobs.cancel_one(session, job_id)

    def cancel_batch(self, batch_id: str) -> bool:
        with self.db.begin() as session:
            return batches.request_cancel(session, batch_id)

    def end_waiting(self, batch_id: str, state: JobState, limit: int = 1000) -> int:
        with self.db.begin() as session:
            return sweeping.end_waiting(session, batch_id, state, limit)

    def unhold(self, job_id: int, to: JobState = JobState.QUEUED) -> str | None:
        with self.db.begin() as session:
            return holding.unhold_one(session, job_id, to)

    def rescue(self, *dead: str, limit: int = 1000) -> int:
        with self.db.begin() as session:
            return sweeping.rescue(session, dead, limit)

    def close(self, *batch_ids: str) -> list[str]:
        with self.db.begin() as session:
            return batches.close_if_done(session, batch_ids)

    def finish(self, batch_id: str, status: BatchStatus) -> bool:
        with self.db.begin() as session:
            return batches.finish(session, batch_id, status, None, None)

    def set_job(self, job_id: int, **values: Any) -> None:
        """Write a job's row past the verbs."""
        with self.db.begin() as session:
            session.execute(update(tables.jobs).where(tables.jobs.c.id == job_id).values(values))

    def set_batch(self, batch_id: str, **values: Any) -> None:
        """Write a batch's row past the verbs."""
        with self.db.begin() as session:
            session.execute(update(tables.batches).where(tables.batches.c.id == batch_id).values(values))

    def job(self, job_id: int) -> Job:
        with self.db.read() as session:
            job = reading.job(session, self.key_id, job_id)
        assert job is not None
        return job

    def jobs(self, batch_id: str | None = None) -> list[Job]:
        """Jobs by id, those of one batch or all."""
        wanted = select(Job).order_by(col(Job.id))
        with self.db.read() as session:
            return list(session.exec(wanted if batch_id is None else wanted.where(Job.batch_id == batch_id)))

    def batch_row(self, batch_id: str) -> Batch:
        with self.db.read() as session:
            batch = batches.get(session, batch_id)
        assert batch is not None
        return batch

    def attempts(self, job_id: int) -> list[Attempt]:
        with self.db.read() as session:
            return reading.attempts_of(session, job_id)


def new_job(line: int, lane: str = LANE) -> NewJob:
    return NewJob(
        line=line,
        custom_id=f"line-{line}",
        endpoint="/v1/chat/completions",
        lane=lane,
        body='{"model":"small-model","messages":[{"role":"user","content":"你好"}]}',
        prompt_estimate=7,
        completion_cap=50,
    )


def succeeded(flight: Departure, usage: Usage = USAGE, *, answer: str = '{"choices":[1]}') -> Landing:
    return _landing(flight, Verb.SUCCEED, Outcome.SUCCEEDED, usage=usage, status_code=200, answer=answer)


def failed(flight: Departure, status_code: int = 400) -> Landing:
    answer = '{"error":{"message":"no"}}'
    return _landing(flight, Verb.FAIL, Outcome.FAILED, status_code=status_code, answer=answer)


def retried(flight: Departure, run_at: datetime | None = None, **values: Any) -> Landing:
    return _landing(flight, Verb.RETRY, Outcome.AMBIGUOUS, run_at=run_at or now(), **values)


def snoozed(flight: Departure, run_at: datetime | None = None, **values: Any) -> Landing:
    return _landing(flight, Verb.SNOOZE, Outcome.REFUSED, run_at=run_at or now(), **values)


def _landing(flight: Departure, verb: Verb, outcome: Outcome, **values: Any) -> Landing:
    claim = flight.claim
    return Landing(claim.job_id, claim.token, flight.attempt_id, verb, outcome, **values)
