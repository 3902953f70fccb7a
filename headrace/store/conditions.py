"""Conditions on the state of a job, written out in the statement, so that the partial indexes serve."""

from typing import Any

from sqlalchemy import literal_column

from headrace.states import JobState
from headrace.store.tables import jobs


def in_state(*states: JobState) -> Any:
    """That a job is in one of these states; several in the order in which their index names them."""
    values: list[Any] = [literal_column(f"'{state.value}'") for state in states]
    return jobs.c.state == values[0] if len(values) == 1 else jobs.c.state.in_(values)


QUEUED = in_state(JobState.QUEUED)
RUNNING = in_state(JobState.RUNNING)
HELD = in_state(JobState.HELD)
WAITING = in_state(JobState.QUEUED, JobState.BLOCKED, JobState.HELD)
