"""Batches: created, polled, listed, cancelled (contract 2.1 to 2.4)."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import Session

from api.batch_object import BatchObject
from api.batch_request import BatchRequest, read_request
from api.deps import CallerDep, DatabaseDep, SettingsDep
from api.idempotency import MAY_REPLAY, OnceDep
from api.openapi import json_body
from api.payloads import JsonBody
from api.refusals import refuses
from api.schemas import Page
from headrace import dispatch
from headrace.errors import Conflict, InvalidRequest, NotFound
from headrace.failpoints import failpoint
from headrace.models import Batch
from headrace.states import BatchStatus
from headrace.store import batches, holding, pausing

router = APIRouter(tags=["batches"])

BATCH_ID = re.compile(r"batch_[0-9A-Za-z_-]{1,128}")
CANCELS = (BatchStatus.CANCELLING, BatchStatus.CANCELLED)


@router.post("/batches", responses=MAY_REPLAY, openapi_extra=json_body(BatchRequest))
def create_batch(
    body: JsonBody, key: CallerDep, database: DatabaseDep, settings: SettingsDep, once: OnceDep
) -> BatchObject:
    """Have a file's requests run. Sent again, with the same `Idempotency-Key`, it is the same batch."""
    wanted = read_request(body, strict=settings.strict)
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
    after: Annotated[str | None, Query(json_schema_extra={"pattern": f"^({BATCH_ID.pattern})?$"})] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page[BatchObject]:
    """The key's batches, newest first. `after` need not be the id of one that is still there."""
    if after and not BATCH_ID.fullmatch(after):
        raise InvalidRequest("'after' must be the id of a batch.", param="after", code="invalid_value")
    with database.read() as session:
        rows = batches.list_page(session, key.id, after=after, limit=limit + 1)
        show = _shown_with(session, key.id, rows)
    return Page[BatchObject].of(rows, show, limit)


@router.get("/batches/{batch_id}")
def retrieve_batch(batch_id: str, key: CallerDep, database: DatabaseDep) -> BatchObject:
    """How far a batch is, and what it has used: one row has it all, but for the jobs that are held."""
    with database.read() as session:
        return shown(session, find_batch(session, key.id, batch_id))


@router.post("/batches/{batch_id}/cancel")
@refuses(409)
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
    """The batch, with what is not in its own row."""
    return _shown_with(session, batch.api_key_id, [batch])(batch)


def _shown_with(session: Session, api_key_id: str, rows: Sequence[Batch]) -> Callable[[Batch], BatchObject]:
    held = holding.counts(session, api_key_id, [batch.id for batch in rows])
    closed = session.execute(pausing.closed_period(api_key_id)).scalar() if held else None
    return lambda batch: BatchObject.of(batch, held.get(batch.id, 0), closed)


def find_batch(session: Session, api_key_id: str, batch_id: str) -> Batch:
    """The key's batch. Raises NotFound."""
    batch = batches.get(session, batch_id, api_key_id)
    if batch is None:
        raise NotFound(f"No batch found with id '{batch_id}'.")
    return batch
