"""Batches: created, polled, listed, cancelled (contract 2.1 to 2.4)."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError
from sqlmodel import Session

from api.batch_object import BatchObject
from api.deps import CallerDep, DatabaseDep
from api.file_object import ExpiresAfter
from api.idempotency import OnceDep
from api.payloads import JsonBody, fitted
from api.schemas import Page
from headrace import dispatch
from headrace.bodies import ENDPOINTS, is_name
from headrace.clock import now
from headrace.errors import Conflict, NotFound
from headrace.failpoints import failpoint
from headrace.ids import new_id
from headrace.models import Batch
from headrace.states import BatchStatus
from headrace.store import batches, holding

router = APIRouter(tags=["batches"])

WINDOWS = {"24h": timedelta(hours=24)}
CANCELS = (BatchStatus.CANCELLING, BatchStatus.CANCELLED)


def _served(endpoint: str) -> str:
    if endpoint not in ENDPOINTS:
        raise PydanticCustomError(
            "unserved", "supported values are {values}", {"values": ", ".join(ENDPOINTS)}
        )
    return endpoint


def _name(value: str) -> str:
    if not is_name(value):
        raise PydanticCustomError("no_name", "it must be the id of a file")
    return value


class BatchRequest(BaseModel):
    """What makes a batch (contract 2.2). Whether the input file is any good shows in the batch, not here."""

    input_file_id: Annotated[str, Field(max_length=256), AfterValidator(_name)]
    endpoint: Annotated[str, AfterValidator(_served)]
    completion_window: Literal["24h"]
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    output_expires_after: ExpiresAfter | None = None
    on_ambiguous: Literal["retry", "hold"] = "retry"

    def row(self, api_key_id: str) -> Batch:
        """The new batch."""
        created_at = now()
        return Batch(
            id=new_id("batch_"),
            api_key_id=api_key_id,
            endpoint=self.endpoint,
            input_file_id=self.input_file_id,
            completion_window=self.completion_window,
            details=self.metadata,
            created_at=created_at,
            expires_at=created_at + WINDOWS[self.completion_window],
            hold_ambiguous=self.on_ambiguous == "hold",
        )


@router.post("/batches")
def create_batch(body: JsonBody, key: CallerDep, database: DatabaseDep, once: OnceDep) -> BatchObject:
    """Have a file's requests run. Sent again, with the same `Idempotency-Key`, it is the same batch."""
    wanted = fitted(BatchRequest, body)
    with database.begin() as session:
        made = once.replayed(session)
        if made is not None:
            return shown(session, find_batch(session, key.id, made[0]))
        batch = wanted.row(key.id)
        batches.create(session, batch)
        once.made(session, [batch.id])
    failpoint("created")
    dispatch.wake_ingest(batch.id)
    return BatchObject.of(batch)


@router.get("/batches")
def list_batches(
    key: CallerDep,
    database: DatabaseDep,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page[BatchObject]:
    """The key's batches, newest first."""
    with database.read() as session:
        rows = batches.list_page(session, key.id, after=after, limit=limit + 1)
        held = holding.counts(session, key.id, [batch.id for batch in rows])
    return Page[BatchObject].of(rows, lambda batch: BatchObject.of(batch, held.get(batch.id, 0)), limit)


@router.get("/batches/{batch_id}")
def retrieve_batch(batch_id: str, key: CallerDep, database: DatabaseDep) -> BatchObject:
    """How far a batch is, and what it has used: one row has it all, but for the jobs that are held."""
    with database.read() as session:
        return shown(session, find_batch(session, key.id, batch_id))


@router.post("/batches/{batch_id}/cancel")
def cancel_batch(batch_id: str, key: CallerDep, database: DatabaseDep) -> BatchObject:
    """Let no more calls depart. Those under way are paid for and may end."""
    with database.begin() as session:
        batch = find_batch(session, key.id, batch_id)
        batches.request_cancel(session, batch_id)
        session.refresh(batch)
        if batch.status not in CANCELS:
            raise Conflict(f"Cannot cancel a batch with status '{batch.status}'.")
        return shown(session, batch)


def shown(session: Session, batch: Batch) -> BatchObject:
    """The batch and how many of its jobs are held."""
    return BatchObject.of(batch, holding.counts(session, batch.api_key_id, [batch.id]).get(batch.id, 0))


def find_batch(session: Session, api_key_id: str, batch_id: str) -> Batch:
    """The key's batch. Raises NotFound."""
    batch = batches.get(session, batch_id, api_key_id)
    if batch is None:
        raise NotFound(f"No batch found with id '{batch_id}'.")
    return batch
