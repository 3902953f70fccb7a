"""What the verbs of the store should do to jobs: a plain model of them, to hold the tables against."""

from dataclasses import dataclass, field
from datetime import datetime

from headrace.states import FINAL, UNFINISHED, JobState
from headrace.store.landings import Verb
from headrace.store.sweeping import MAX_CRASHES

WAITING = UNFINISHED - {JobState.RUNNING}
ENDS = {Verb.SUCCEED: JobState.SUCCEEDED, Verb.FAIL: JobState.FAILED}


@dataclass
class Flight:
    """A call: under way, given up with its worker, or landed."""

    token: str
    state: str = "open"


@dataclass
class ModelJob:
    """One job. `flights` by the id of their attempt."""

    run_at: datetime
    max_attempts: int
    in_batch: bool
    priority: int = 0
    state: JobState = JobState.QUEUED
    token: str | None = None
    worker: str | None = None
    attempts: int = 0
    crashes: int = 0
    cancelled: bool = False
    flights: dict[str, Flight] = field(default_factory=dict)

    def go(self, state: JobState, run_at: datetime | None = None) -> None:
        """Leave a running worker, or a place in the line."""
        assert self.state not in FINAL
        self.state, self.token, self.worker = state, None, None
        self.run_at = run_at or self.run_at


class Model:
    """One batch and some jobs without one; `now` is the time that everybody goes by."""

    def __init__(self, now: datetime, expires_at: datetime) -> None:
        self.now = now
        self.expires_at = expires_at
        self.cancelling = False
        self.holds = False  # the batch wants its ambiguous calls held
        self.jobs: dict[int, ModelJob] = {}

    def due(self, limit: int) -> list[int]:
        """The jobs that a claim should get, in the order in which it has them."""
        queued = [(job, id_) for id_, job in self.jobs.items() if job.state == JobState.QUEUED]
        due = sorted((-job.priority, job.run_at, id_) for job, id_ in queued if job.run_at <= self.now)
        return [id_ for *_, id_ in sorted(due[:limit], key=lambda one: (one[0], one[2]))]

    def claim(self, job_id: int, token: str, worker: str) -> None:
        job = self.jobs[job_id]
        job.state, job.token, job.worker = JobState.RUNNING, token, worker

    def depart(self, job_id: int, token: str, attempt_id: str) -> bool:
        """Whether the job may go; a departure that is written again may."""
        job = self.jobs[job_id]
        if job.token != token:
            return False
        if attempt_id in job.flights:
            return True
        if self.is_cancelled(job):
            job.go(JobState.CANCELLED)
        elif job.in_batch and self.expires_at <= self.now:
            job.go(JobState.EXPIRED)
        else:
            job.attempts += 1
            job.flights[attempt_id] = Flight(token)
            return True
        return False

    def land(self, job_id: int, attempt_id: str, verb: Verb, run_at: datetime) -> bool:
        """Whether this landing was the first of its attempt."""
        job = self.jobs[job_id]
        flight = job.flights[attempt_id]
        fresh, flight.state = flight.state != "landed", "landed"
        answers = verb is Verb.SUCCEED and job.state not in FINAL
        if fresh and (answers or job.token == flight.token or self._frees(job, attempt_id, verb)):
            self._decide(job, verb, run_at)
        return fresh

    def _frees(self, job: ModelJob, attempt_id: str, verb: Verb) -> bool:
        """Whether the job is held only because nobody knew of this call, which was not paid for."""
        last = list(job.flights)[-1] == attempt_id
        careful = self._is_careful(job) and job.crashes < MAX_CRASHES
        return job.state == JobState.HELD and last and careful and verb in (Verb.FAIL, Verb.SNOOZE)

    def _is_careful(self, job: ModelJob) -> bool:
        return self.holds and job.in_batch

    def _decide(self, job: ModelJob, verb: Verb, run_at: datetime) -> None:
        if verb in ENDS:
            job.go(ENDS[verb])
        elif self.is_cancelled(job):
            job.go(JobState.CANCELLED)
        elif verb is Verb.RETRY and self._is_careful(job):
            job.go(JobState.HELD, self.now)
        else:
            job.attempts -= verb is Verb.SNOOZE
            job.go(JobState.QUEUED, run_at)

    def release(self, job_id: int, token: str, run_at: datetime) -> None:
        job = self.jobs[job_id]
        if job.token == token:
            job.go(*((JobState.CANCELLED,) if self.is_cancelled(job) else (JobState.QUEUED, run_at)))

    def rescue(self, worker: str) -> None:
        """The worker died."""
        for job in self.jobs.values():
            if job.worker != worker:
                continue
            lost = [flight for flight in job.flights.values() if flight.state == "open"]
            job.crashes += bool(lost)
            for flight in lost:
                flight.state = "lost"
            job.go(self._after_a_crash(job, bool(lost)), self.now)

    def _after_a_crash(self, job: ModelJob, in_doubt: bool) -> JobState:
        if self.is_cancelled(job):
            return JobState.CANCELLED
        if in_doubt and self._is_careful(job):
            return JobState.HELD
        if job.attempts >= job.max_attempts:
            return JobState.FAILED
        return JobState.HELD if job.crashes >= MAX_CRASHES else JobState.QUEUED

    def cancel(self, job_id: int) -> None:
        job = self.jobs[job_id]
        if job.state == JobState.RUNNING:
            job.cancelled = True
        elif job.state not in FINAL:
            job.go(JobState.CANCELLED)

    def end_waiting(self, state: JobState) -> int:
        """How many jobs of the batch ended."""
        waiting = [job for job in self.jobs.values() if job.in_batch and job.state in WAITING]
        for job in waiting:
            job.go(state)
        return len(waiting)

    def unhold(self, job_id: int) -> bool:
        """Whether the job was held."""
        job = self.jobs[job_id]
        if job.state != JobState.HELD:
            return False
        job.go(JobState.QUEUED, self.now)
        job.crashes = 0
        job.max_attempts = max(job.max_attempts, job.attempts + 1)
        return True

    def is_cancelled(self, job: ModelJob) -> bool:
        """By itself or with its batch."""
        return job.cancelled or (job.in_batch and self.cancelling)
