"""Which looks there are for these settings."""

from collections.abc import Iterator
from functools import partial

from redis import Redis

from headrace.config import load_config
from headrace.db import Database
from headrace.doctor.broker import look_at_beat, look_at_broker
from headrace.doctor.clocks import look_at_clocks
from headrace.doctor.database import absent, look_at_database
from headrace.doctor.disk import look_at_disk, look_at_spool
from headrace.doctor.examination import PATIENCE_SECONDS, examine
from headrace.doctor.findings import Check, Finding, wrong
from headrace.doctor.provider import look_at_provider
from headrace.doctor.versions import look_at_versions
from headrace.doctor.work import look_at_held_jobs, look_at_workers
from headrace.errors import ConfigurationError
from headrace.limits import connect
from headrace.settings import Settings


def diagnose(settings: Settings, patience_seconds: float = PATIENCE_SECONDS) -> list[Finding]:
    """Look at all parts at once. It keeps nothing that it writes, costs nothing, and ends in time."""
    faults: list[Finding] = []
    database = _database(settings, faults)
    redis = _redis(settings, faults)
    checks = [*_checks(settings, database, redis), *_of_providers(settings, faults)]
    try:
        return faults + examine(checks, patience_seconds)
    finally:
        if redis is not None:
            redis.connection_pool.disconnect()
        if database is not None:
            database.close()


def _checks(settings: Settings, database: Database | None, redis: "Redis | None") -> Iterator[Check]:
    yield Check("versions", look_at_versions)
    if database is not None:
        yield Check("database", partial(look_at_database, database, settings.min_free_bytes))
    if redis is not None:
        yield Check("broker", partial(look_at_broker, redis, settings.redis_url))
        yield Check("beat", partial(look_at_beat, redis))
    yield Check("disk", partial(look_at_disk, settings.data_dir, settings.min_free_bytes))
    yield Check("spool", partial(look_at_spool, settings.data_dir))
    if database is not None:
        yield Check("clock", partial(look_at_clocks, database, redis))
        yield Check("workers", partial(look_at_workers, database, settings.lease_seconds))
        yield Check("jobs", partial(look_at_held_jobs, database))


def _of_providers(settings: Settings, faults: list[Finding]) -> list[Check]:
    try:
        config = load_config(settings)
    except ConfigurationError as error:
        faults.append(wrong("configuration", str(error), "correct it"))
        return []
    return [
        Check(f"provider {provider.name}", partial(look_at_provider, provider))
        for provider in config.providers.values()
    ]


def _database(settings: Settings, faults: list[Finding]) -> Database | None:
    if missing := absent(settings.database):
        faults.append(missing)
        return None
    try:
        return Database(settings.database)
    except (ConfigurationError, OSError) as error:
        faults.append(wrong("database", str(error), "correct HEADRACE_DATABASE_URL or HEADRACE_DATA_DIR"))
        return None


def _redis(settings: Settings, faults: list[Finding]) -> "Redis | None":
    try:
        return connect(settings.redis_url)
    except ValueError as error:
        faults.append(wrong("broker", f"HEADRACE_REDIS_URL is no URL of a Redis: {error}", "correct it"))
        return None
