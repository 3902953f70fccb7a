"""Whether the process serves, and whether work can really be done."""

import os
import tempfile
from datetime import timedelta
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from redis import Redis
from sqlalchemy.exc import SQLAlchemyError

from api.deps import DatabaseDep, RedisDep, SettingsDep
from headrace import migrations
from headrace.broker import fault_of
from headrace.clock import now
from headrace.db import Database
from headrace.disk import is_short
from headrace.settings import MEBIBYTE, Settings
from headrace.store import workers

router = APIRouter(tags=["health"])

OK: Literal["ok"] = "ok"


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = OK


class Readiness(BaseModel):
    """Whether work will be done. Each check is `ok`, or what is wrong and what to do."""

    ready: bool
    checks: dict[str, str]


@router.get("/healthz")
async def healthz() -> Alive:
    """This process answers."""
    return Alive()


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness}})
def readyz(database: DatabaseDep, redis: RedisDep, settings: SettingsDep) -> JSONResponse:
    """200 if what is submitted now will run, else 503; `checks` say what is wrong and what to do."""
    checks = {
        "database": _database(database),
        "redis": _redis(redis),
        "workers": _workers(database, settings.lease_seconds),
        "data_dir": _data_dir(settings),
    }
    readiness = Readiness(ready=all(said == OK for said in checks.values()), checks=checks)
    return JSONResponse(readiness.model_dump(), 200 if readiness.ready else 503)


def _database(database: Database) -> str:
    try:
        current = migrations.is_current(database.engine)
    except SQLAlchemyError as error:
        return f"does not answer ({_kind(error)}): start it, or correct HEADRACE_DATABASE_URL"
    return OK if current else "its schema is older than this version: run `headrace migrate`"


def _redis(redis: Redis) -> str:
    return fault_of(redis) or OK


def _workers(database: Database, lease_seconds: float) -> str:
    try:
        with database.read() as session:
            alive = workers.alive(session, now() - timedelta(seconds=lease_seconds))
    except SQLAlchemyError as error:
        return f"cannot be counted ({_kind(error)}): see to the database first"
    return OK if alive else "none is alive: start one with `celery -A worker worker -P gevent`"


def _data_dir(settings: Settings) -> str:
    folder, least = settings.data_dir, settings.min_free_bytes
    try:
        settings.files_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.files_dir):
            short = is_short(folder, max(1, least))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return f"{settings.files_dir} cannot be written ({reason}): correct HEADRACE_DATA_DIR"
    if not short:
        return OK
    return (
        f"{folder} has less room than the {least / MEBIBYTE:,.0f} MiB of HEADRACE_MIN_FREE_BYTES, so no call "
        "is made: make room, or move HEADRACE_DATA_DIR"
    )


def _kind(error: Exception) -> str:
    return type(error).__name__
