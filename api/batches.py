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
from api.payloads import JsonBody, fitted
from api.schemas import Page
from headrace import dispatch
from headrace.bodies import ENDPOINTS, is_name
from headrace.clock import now
from headrace.errors import Conflict, NotFound
from headrace.ids import new_id
from headrace.models import Batch
from headrace.states import BatchStatus
from headrace.store import batches

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


@router.post("/batches")
def create_batch(body: JsonBody, key: CallerDep, database: DatabaseDep) -> BatchObject:
    """Have a file's requests run."""
    wanted = fitted(BatchRequest, body)
    created_at = now()
    batch = Batch(
        id=new_id("batch_"),
        api_key_id=key.id,
        endpoint=wanted.endpoint,
        input_file_id=wanted.input_file_id,
        completion_window=wanted.completion_window,
        details=wanted.metadata,
        created_at=created_at,
        expires_at=created_at + WINDOWS[wanted.completion_window],
    )
    with database.begin() as session:
        batches.create(session, batch)
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
    return Page[BatchObject].of(rows, BatchObject.of, limit)


@router.get("/batches/{batch_id}")
def retrieve_batch(batch_id: str, key: CallerDep, database: DatabaseDep) -> BatchObject:
    """How far a batch is, and what it has used: one row has it all."""
    with database.read() as session:
        return BatchObject.of(find_batch(session, key.id, batch_id))


@router.post("/batches/{batch_id}/cancel")
def cancel_batch(batch_id: str, key: CallerDep, database: DatabaseDep) -> BatchObject:
    """Let no more calls depart. Those under way are paid for and may end."""
    with database.begin() as session:
        batch = find_batch(session, key.id, batch_id)
        batches.request_cancel(session, batch_id)
        session.refresh(batch)
        if batch.status not in CANCELS:
            raise Conflict(f"Cannot cancel a batch with status '{batch.status}'.")
        return BatchObject.of(batch)


def find_batch(session: Session, api_key_id: str, batch_id: str) -> Batch:
    """The key's batch. Raises NotFound."""
    batch = batches.get(session, batch_id, api_key_id)
    if batch is None:
        raise NotFound(f"No batch found with id '{batch_id}'.")
    return batch
