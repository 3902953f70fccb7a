"""The states of jobs, attempts and batches, and the moves a job may make. `docs/states.md` draws them."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is. Waiting for time is no state: a queued job has a `run_at`."""

    QUEUED = "queued"
    BLOCKED = "blocked"
    RUNNING = "running"
    HELD = "held"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})
UNFINISHED = frozenset(JobState) - FINAL

# verb -> state before -> states after
MOVES: dict[str, dict[JobState, frozenset[JobState]]] = {
    "claim": {JobState.QUEUED: frozenset({JobState.RUNNING})},
    "depart": {
        JobState.RUNNING: frozenset(
            {JobState.RUNNING, JobState.QUEUED, JobState.HELD, JobState.CANCELLED, JobState.EXPIRED}
        )
    },
    "release": {JobState.RUNNING: frozenset({JobState.QUEUED, JobState.CANCELLED})},
    "succeed": {state: frozenset({JobState.SUCCEEDED}) for state in UNFINISHED},
    "fail": {state: frozenset({JobState.FAILED}) for state in (JobState.RUNNING, JobState.HELD)},
    "snooze": {
        state: frozenset({JobState.QUEUED, JobState.CANCELLED}) for state in (JobState.RUNNING, JobState.HELD)
    },
    "retry": {JobState.RUNNING: frozenset({JobState.QUEUED, JobState.HELD, JobState.CANCELLED})},
    "rescue": {
        JobState.RUNNING: frozenset({JobState.QUEUED, JobState.HELD, JobState.FAILED, JobState.CANCELLED})
    },
    "unhold": {JobState.HELD: frozenset({JobState.QUEUED, JobState.FAILED})},
    "pause": {JobState.QUEUED: frozenset({JobState.HELD})},
    "resume": {JobState.HELD: frozenset({JobState.QUEUED})},
    "cancel": {state: frozenset({JobState.CANCELLED}) for state in UNFINISHED - {JobState.RUNNING}},
    "expire": {state: frozenset({JobState.EXPIRED}) for state in UNFINISHED - {JobState.RUNNING}},
}


class Outcome(StrEnum):
    """How an attempt ended. `open` until it lands."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"


class BatchStatus(StrEnum):
    """A batch's life as the OpenAI SDK knows it (contract 2.4)."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


BATCH_FINAL = frozenset(
    {
        BatchStatus.FAILED,
        BatchStatus.COMPLETED,
        BatchStatus.EXPIRED,
        BatchStatus.CANCELLED,
    }
)


class Period(StrEnum):
    """Over what a key's budget counts; days and months are those of UTC."""

    TOTAL = "total"
    DAY = "day"
    MONTH = "month"


class UploadStatus(StrEnum):
    """Where a file that comes in parts is (contract 1.6). `expired` is one that was pending for too long."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
