"""Held jobs let go by their owner: sent again, or ended."""

from collections.abc import Iterable
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from api.batches import find_batch
from api.deps import CallerDep, DatabaseDep
from api.openapi import json_body
from api.payloads import OptionalJsonBody, fitted
from api.schemas import WireObject
from headrace import dispatch
from headrace.states import JobState
from headrace.store import batches, holding

router = APIRouter(tags=["batches"])

SLICE = 500
STATES = {"queue": JobState.QUEUED, "fail": JobState.FAILED}


class Release(BaseModel):
    """What becomes of them: called once more at least, or failed."""

    to: Literal["queue", "fail"] = "queue"

    @property
    def state(self) -> JobState:
        """The state that they go to."""
        return STATES[self.to]


class BatchReleased(WireObject):
    """How many jobs of the batch were let go."""

    object: Literal["batch.released"] = "batch.released"
    released: int


@router.post("/batches/{batch_id}/release", openapi_extra=json_body(Release, required=False))
def release_batch(
    batch_id: str, body: OptionalJsonBody, key: CallerDep, database: DatabaseDep
) -> BatchReleased:
    """Let every held job of a batch go; `to` as for one job. One that is held again meanwhile stays so."""
    to = fitted(Release, body).state
    with database.read() as session:
        batch = find_batch(session, key.id, batch_id)
    released, after = 0, 0
    while True:
        with database.begin() as session:
            rows = holding.unhold_slice(session, batch, to, after=after, limit=SLICE)
            closing = batches.close_if_done(session, [batch_id]) if rows else []
        tell(to, {row.lane for row in rows}, closing)
        released += len(rows)
        if len(rows) < SLICE:
            return BatchReleased(id=batch_id, released=released)
        after = rows[-1].id


def tell(to: JobState, lanes: Iterable[str], closing: Iterable[str]) -> None:
    """Let the workers know, after the commit."""
    if to is JobState.QUEUED:
        for lane in sorted(lanes):
            dispatch.wake(lane)
    for batch_id in closing:
        dispatch.wake_finalise(batch_id)
