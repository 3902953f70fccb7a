"""Calls whose answers will hardly come: closed as ambiguous, and booked at the most that they can cost.

One that comes after all takes the place of what was booked (`ambiguity.unwritten`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import update
from sqlmodel import Session

from headrace.clock import now
from headrace.states import Outcome
from headrace.store.batches import Tally, add
from headrace.store.finishing import WORKER_LOST
from headrace.store.postings import Entries, Key, by_batch, lost
from headrace.store.tables import attempts

_TOLD = ("job_id", "departed_at", "tokens_at_most", "price_id", "cost_at_most_nanos")


def close_open(session: Session, job_ids: Sequence[int], message: str) -> list[Any]:
    """Close the open attempts of these jobs, which are locked; returns them."""
    if not job_ids:
        return []
    open_ones = (attempts.c.job_id.in_(job_ids), attempts.c.outcome == Outcome.OPEN)
    ended = update(attempts).where(*open_ones).returning(*(attempts.c[name] for name in _TOLD))
    ended = ended.values(
        landed_at=now(), outcome=Outcome.AMBIGUOUS, error_code=WORKER_LOST, error_message=message
    )
    return list(session.execute(ended))


def book(session: Session, closed: Sequence[Any], rows: Mapping[int, Any]) -> Entries:
    """Book such attempts with the batches of their locked jobs; returns what is to be posted."""
    entries = [(Key.of(attempt, rows[attempt.job_id]), lost(attempt, was_open=True)) for attempt in closed]
    for batch_id, one in by_batch(entries).items():
        add(session, batch_id, Tally(posting=one))
    return entries
