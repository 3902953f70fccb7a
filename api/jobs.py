"""Jobs: submitted without a file, looked at, listed, cancelled."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlmodel import Session

from api.batches import find_batch
from api.deps import CallerDep, ConfigDep, DatabaseDep, SettingsDep
from api.idempotency import MAY_REPLAY, OnceDep
from api.job_object import CallObject, JobDetail, JobObject
from api.job_requests import read_requests
from api.job_schema import REQUESTS
from api.openapi import json_body
from api.payloads import ExactJsonBody, OptionalJsonBody, fitted
from api.refusals import refuses
from api.releases import Release, tell
from api.schemas import Page
from headrace import dispatch
from headrace.errors import Conflict, InvalidRequest, NotFound
from headrace.models import Job
from headrace.output import response_of
from headrace.states import FINAL, JobState
from headrace.store import batches, holding, jobs, reading, tag_sets, workers
from headrace.store.bills import NO_BILL, bills_of
from headrace.tags import TagSets

router = APIRouter(tags=["jobs"])

JOB_ID = re.compile(r"job_([1-9][0-9]{0,17})")  # 18 digits fit 64 bits


@router.post("/jobs", responses=MAY_REPLAY, openapi_extra=json_body(REQUESTS))
def submit_jobs(
    body: ExactJsonBody,
    once: OnceDep,
    key: CallerDep,
    database: DatabaseDep,
    config: ConfigDep,
    settings: SettingsDep,
) -> JobObject | Page[JobObject]:
    """Have one request run, or a list of up to 1,000: all of them, or none if any is faulty.

    Sent again, with the same `Idempotency-Key`, it is the same jobs.
    """
    tags = TagSets()
    new = read_requests(body, lambda model: config.route(model) is not None, tags)
    lanes = sorted({job.lane for job in new})
    with database.begin() as session:
        ids = once.replayed(session)
        if ids is None:
            workers.open_lanes(session, lanes)
            tag_sets.remember(session, tags.texts({job.tags_id for job in new}))
            ids = jobs.submit_inline(session, new, api_key_id=key.id, max_attempts=settings.max_attempts)
            once.made(session, ids)
        rows = reading.jobs_with(session, ids)
        show = _shown_with(session, rows)
    for lane in lanes:
        dispatch.wake(lane)
    if isinstance(body, list):
        return Page[JobObject].of(rows, show, len(rows))
    return show(rows[0])


@router.get("/jobs")
@refuses(404)
def list_jobs(
    key: CallerDep,
    database: DatabaseDep,
    batch: str | None = None,
    state: JobState | None = None,
    after: Annotated[str | None, Query(json_schema_extra={"pattern": f"^({JOB_ID.pattern})?$"})] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page[JobObject]:
    """The key's jobs, oldest first, without bodies and answers; those of a batch, or in a state."""
    number = _number(after or "")
    if after and not number:
        raise InvalidRequest("'after' must be the id of a job.", param="after", code="invalid_value")
    with database.read() as session:
        if batch is not None:
            find_batch(session, key.id, batch)
            if number and not reading.is_in(session, batch, number):
                raise InvalidRequest(
                    "'after' must be the id of a job of this batch.", param="after", code="invalid_value"
                )
        chosen = reading.Filter(batch_id=batch, state=state)
        rows = reading.jobs_page(session, key.id, chosen, after=number, limit=limit + 1)
        show = _shown_with(session, rows)
    return Page[JobObject].of(rows, show, limit)


@router.get("/jobs/{job_id}", response_model=JobDetail)
def retrieve_job(job_id: str, key: CallerDep, database: DatabaseDep) -> Response:
    """A job, its answer, and every call that was made for it."""
    with database.read() as session:
        job = find_job(session, key.id, job_id)
        calls = reading.attempts_of(session, _number(job_id))
        show = _shown_with(session, [job])
    shown = {
        **show(job).model_dump(),
        "response": response_of(job),
        "calls": [CallObject.of(call).model_dump() for call in calls],
    }
    return Response(orjson.dumps(shown), media_type="application/json")


@router.post("/jobs/{job_id}/cancel")
@refuses(409)
def cancel_job(job_id: str, key: CallerDep, database: DatabaseDep) -> JobObject:
    """Cancel a waiting job. A running one ends with its call, whose answer is kept if it is good."""
    with database.begin() as session:
        job = find_job(session, key.id, job_id)
        jobs.cancel_one(session, _number(job_id))
        closing = batches.close_if_done(session, [job.batch_id]) if job.batch_id else []
        session.refresh(job)
        if job.state in FINAL and job.state != JobState.CANCELLED:
            raise Conflict(f"Cannot cancel a job with status '{job.state}'.")
        show = _shown_with(session, [job])
    for batch_id in closing:
        dispatch.wake_finalise(batch_id)
    return show(job)


@router.post("/jobs/{job_id}/release", openapi_extra=json_body(Release, required=False))
@refuses(409)
def release_job(job_id: str, body: OptionalJsonBody, key: CallerDep, database: DatabaseDep) -> JobObject:
    """Let a held job go: `{"to": "queue"}` has it called again, `{"to": "fail"}` ends it."""
    to = fitted(Release, body).state
    with database.begin() as session:
        job = find_job(session, key.id, job_id)
        lane = holding.unhold_one(session, _number(job_id), to)
        if lane is None:
            raise Conflict(f"Cannot release a job with status '{job.state}': it is not held.")
        closing = batches.close_if_done(session, [job.batch_id]) if job.batch_id else []
        session.refresh(job)
        show = _shown_with(session, [job])
    tell(to, {lane}, closing)
    return show(job)


def _shown_with(session: Session, rows: Sequence[Job]) -> Callable[[Job], JobObject]:
    """How to show these jobs, with what is not in their own rows."""
    bills = bills_of(session, [job.id for job in rows if job.id])
    return lambda job: JobObject.of(job, bills.get(job.id or 0, NO_BILL))


def find_job(session: Session, api_key_id: str, job_id: str) -> Job:
    """The key's job. Raises NotFound."""
    job = reading.job(session, api_key_id, _number(job_id))
    if job is None:
        raise NotFound(f"No job found with id '{job_id}'.", param="id")
    return job


def _number(job_id: str) -> int:
    """The job's number in the table; 0, which no job has, for what is no job's id."""
    found = JOB_ID.fullmatch(job_id)
    return int(found[1]) if found else 0
