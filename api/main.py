"""The app put together: its parts for as long as it lives, its routes, its answers to failures."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import ModuleType
from typing import Any

from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException

from api import (
    batches,
    budgets,
    estimate,
    file_creation,
    files,
    health,
    jobs,
    models,
    organization,
    releases,
    results,
    uploads,
    usage,
)
from api.deps import Parts, admin, caller, key_holder, refuse_nul
from api.heads import Heads
from api.not_routed import not_routed
from api.openapi import DescribedApi
from api.polls import Polls
from api.problems import HANDLERS
from api.request_ids import RequestIds
from headrace import __version__
from headrace.config import load_config
from headrace.db import Database
from headrace.limits import connect
from headrace.settings import Settings

RESOURCES = (
    files,
    file_creation,
    uploads,
    batches,
    budgets,
    releases,
    results,
    jobs,
    estimate,
    models,
    usage,
    organization,
)
# Which key, where an ordinary one is not what it takes.
KEYS: dict[ModuleType, Callable[..., Any]] = {usage: key_holder, organization: admin}
ABOUT = """Runs any number of LLM completions at exactly the rate your account allows, and loses none.

Files and batches are those of the OpenAI API; jobs are requests without a file. Lists go on behind the last
id that you have (`after`), while they say `has_more`. Parameters that are not known are ignored."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def make_app(settings: Settings | None = None, started: Callable[[], None] = lambda: None) -> RequestIds:
    """The ASGI app. What it needs is made when it starts, from `settings` or else from the environment.

    `started` is called when all that is there.
    """
    api = DescribedApi(
        title="headrace",
        version=__version__,
        description=ABOUT,
        lifespan=_lifespan(settings, started),
        exception_handlers={**HANDLERS, HTTPException: not_routed},
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        docs_url=None,  # it would load its scripts from elsewhere
        redoc_url=None,
    )
    for resource in RESOURCES:
        key = KEYS.get(resource, caller)
        api.include_router(resource.router, prefix="/v1", dependencies=[Depends(key), Depends(refuse_nul)])
    api.include_router(health.router)
    return RequestIds(Heads(Polls(api)))


def _lifespan(
    given: Settings | None, started: Callable[[], None]
) -> Callable[[FastAPI], AbstractAsyncContextManager[Parts]]:
    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[Parts]:
        settings = given or Settings()
        logging.basicConfig(level=settings.log_level.upper(), format=LOG_FORMAT)
        logging.getLogger("alembic").setLevel(logging.WARNING)  # each /readyz asks it where the schema stands
        config = load_config(settings, with_keys=False)
        database = Database(settings.database)
        redis = connect(settings.redis_url)
        started()
        try:
            yield {"settings": settings, "config": config, "database": database, "redis": redis}
        finally:
            redis.connection_pool.disconnect()  # close() spares a pool that it was given
            database.close()

    return lifespan
