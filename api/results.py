"""The answers of a batch while it runs, as JSON lines (contract 3.2) behind a cursor."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.batches import find_batch
from api.deps import CallerDep, DatabaseDep
from api.openapi import header
from headrace.db import Database
from headrace.output import output_line
from headrace.store import reading

router = APIRouter(tags=["batches"])

SLICE = 100
MAX_NUMBER = 2**31 - 1
JSON_LINES = {
    "description": "JSON lines, as in an output file",
    "content": {"application/jsonl": {"schema": {"type": "string"}}},
    "headers": {
        "x-headrace-cursor": header("The `after` of the next request", pattern="^[0-9]+$"),
        "x-headrace-has-more": header("Whether more are there now", enum=["true", "false"]),
    },
}


@router.get("/batches/{batch_id}/results", response_class=StreamingResponse, responses={200: JSON_LINES})
def read_results(
    batch_id: str,
    key: CallerDep,
    database: DatabaseDep,
    after: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> StreamingResponse:
    """Results in the order in which they came, behind result number `after`.

    `x-headrace-cursor` is the number of the last one, to go on from; `x-headrace-has-more` says whether more
    are there now. Results of a batch are numbered 1, 2, 3 and so on, so its counts tell both beforehand.
    """
    with database.read() as session:
        batch = find_batch(session, key.id, batch_id)
    finished = batch.succeeded + batch.failed + batch.cancelled + batch.expired
    cursor = max(after, min(after + limit, finished))
    headers = {
        "x-headrace-cursor": str(cursor),
        "x-headrace-has-more": "true" if finished > cursor else "false",
    }
    lines = _lines(database, batch_id, after, cursor)
    return StreamingResponse(lines, headers=headers, media_type="application/jsonl")


def _lines(database: Database, batch_id: str, after: int, last: int) -> Iterator[bytes]:
    """Slice by slice: answers can be large, and clients slow."""
    while after < last:
        with database.read() as session:
            rows = reading.results(session, batch_id, after=after, limit=min(SLICE, last - after))
        yield b"".join(output_line(row) for row in rows)
        after = rows[-1].result_no
