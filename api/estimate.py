"""An estimate of requests that are not sent."""

import asyncio

from anyio import CapacityLimiter
from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from api.deps import CallerDep, ConfigDep, DatabaseDep, SettingsDep
from api.estimate_input import requests_of
from api.estimate_object import EstimateObject
from api.estimate_schema import WANTED
from api.openapi import json_body
from api.payloads import ExactJsonBody
from api.problems import Busy
from api.refusals import refuses
from headrace import clock
from headrace.estimate_object import estimate_object
from headrace.estimating import Estimator
from headrace.store import history

router = APIRouter(tags=["estimates"])

AT_ONCE = CapacityLimiter(2)  # a large file takes tens of seconds of a thread
PATIENCE_SECONDS = 30.0


@router.post("/estimate", openapi_extra=json_body(WANTED))
@refuses(404, 503)
async def estimate(
    body: ExactJsonBody, key: CallerDep, database: DatabaseDep, config: ConfigDep, settings: SettingsDep
) -> EstimateObject:
    """What an uploaded file, or up to 1,000 requests, would use, cost and take. Nothing is sent or stored."""

    def made() -> EstimateObject:
        requests = requests_of(body, key.id, database, config, settings)
        at = clock.now()
        with database.read() as session:
            known = history.experiences(session, key.id, at)
        found = Estimator(config, known, at).estimate(requests)
        return EstimateObject.model_validate(estimate_object(found))

    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await AT_ONCE.acquire()
    except TimeoutError as error:
        raise Busy from error
    try:
        return await run_in_threadpool(made)
    finally:
        AT_ONCE.release()
