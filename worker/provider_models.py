"""What the providers serve: asked now and then by whoever leads the sweep, for `GET /v1/models`."""

import logging
import time
from collections.abc import Collection

import gevent
from sqlalchemy.exc import SQLAlchemyError

from headrace.config import Config, Provider
from headrace.db import Database
from headrace.store import provider_models
from headrace.store.provider_models import Served
from worker.model_list import NoAnswer, NoList, models_of
from worker.refusals import described
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

LOOK_SECONDS = 600.0
SOON_SECONDS = 60.0


class ProviderModels:
    """Asks each provider every ten minutes, and writes down what has changed.

    These requests take no slot of a limit: they are no completions, which is what providers count, and there
    is one in ten minutes from each process that leads, or one a minute to a provider that does not answer.
    """

    def __init__(self, db: Database, config: Config, stop: StopFlag) -> None:
        used = {quota.provider for quota in config.quotas.values()}
        self._db = db
        self._providers = [config.providers[name] for name in sorted(used)]
        self._stop = stop
        self._next_look = dict.fromkeys(used, 0.0)
        self._troubles: dict[str, str] = {}

    def look(self) -> None:
        """Ask those whose time has come. It returns at once: no provider holds up the sweep."""
        for provider in self._providers:
            if time.monotonic() >= self._next_look[provider.name]:
                self._next_look[provider.name] = time.monotonic() + LOOK_SECONDS
                gevent.spawn(self._learn, provider)

    def _learn(self, provider: Provider) -> None:
        try:
            told = models_of(provider)
            self._write(provider.name, told)
        except (NoList, SQLAlchemyError) as error:
            self._lament(provider.name, error)
        else:
            if self._troubles.pop(provider.name, None):
                log.info("the provider %r lists its models again", provider.name)

    def _write(self, provider: str, told: Collection[Served]) -> None:
        with self._db.read() as session:
            changed = set(provider_models.known(session, provider)) != set(told)
        if changed and not self._stop.is_set():
            with self._db.begin() as session:
                provider_models.replace(session, provider, told)

    def _lament(self, provider: str, error: NoList | SQLAlchemyError) -> None:
        """Say so once, and not again until something else is wrong. What was known stays."""
        if isinstance(error, NoAnswer):
            self._next_look[provider] = time.monotonic() + SOON_SECONDS
        trouble = described(error) if isinstance(error, SQLAlchemyError) else str(error)
        if self._troubles.get(provider) != trouble:
            self._troubles[provider] = trouble
            log.warning("the models of the provider %r are as before: %s", provider, trouble)
