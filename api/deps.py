"""What handlers ask for: the parts of the process, and whose key the request carries."""

from typing import Annotated, TypedDict

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis import Redis

from api.refusals import refuses
from headrace.config import Config
from headrace.db import Database
from headrace.errors import InvalidRequest, Unauthorized
from headrace.models import ApiKey
from headrace.settings import Settings
from headrace.store import keys

bearer = HTTPBearer(auto_error=False, description="A key of this headrace")


class Parts(TypedDict):
    """What lives as long as the process; each request finds it in its state."""

    settings: Settings
    config: Config
    database: Database
    redis: Redis


async def _settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


async def _config(request: Request) -> Config:
    config: Config = request.state.config
    return config


@refuses(503)
async def _database(request: Request) -> Database:
    database: Database = request.state.database
    return database


async def _redis(request: Request) -> Redis:
    redis: Redis = request.state.redis
    return redis


SettingsDep = Annotated[Settings, Depends(_settings)]
ConfigDep = Annotated[Config, Depends(_config)]
DatabaseDep = Annotated[Database, Depends(_database)]
RedisDep = Annotated[Redis, Depends(_redis)]


@refuses(401)
def key_holder(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)], database: DatabaseDep
) -> ApiKey:
    """The key that the request carries, ordinary or not, looked up each time: a revoked one stops at once."""
    if credentials is None:
        raise Unauthorized(
            "You did not provide an API key: send it in the header 'Authorization: Bearer YOUR_KEY'.",
            code="invalid_api_key",
        )
    with database.read() as session:
        key = keys.find(session, credentials.credentials)
    if key is None:
        raise Unauthorized("Incorrect API key provided.", code="invalid_api_key")
    return key


KeyHolderDep = Annotated[ApiKey, Depends(key_holder)]


async def caller(key: KeyHolderDep) -> ApiKey:
    """An ordinary key: an admin key works on nothing (contract 7.1)."""
    if key.is_admin:
        raise Unauthorized(
            "This is an admin key: it sees what all keys use and cost (/v1/usage, /v1/costs,"
            " /v1/organization/...), and nothing else. Send an ordinary key here.",
            code="invalid_api_key",
        )
    return key


async def admin(key: KeyHolderDep) -> ApiKey:
    """An admin key (contract 7.1)."""
    if not key.is_admin:
        raise Unauthorized(
            "This needs an admin key, which `headrace keys create NAME --admin` makes. What a key used itself"
            " it sees at /v1/usage and /v1/costs.",
            code="invalid_api_key",
        )
    return key


CallerDep = Annotated[ApiKey, Depends(caller)]


@refuses(400)
async def refuse_nul(request: Request) -> None:
    """PostgreSQL stores no NUL, so nothing is named by one."""
    values = [value for _, value in request.query_params.multi_items()]
    if any("\0" in text for text in (request.url.path, *values)):
        raise InvalidRequest("The URL contains the character NUL.")
