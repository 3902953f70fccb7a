"""The Celery app and the only door to the broker. A message names a lane or a batch, and is but a hint."""

import logging
import time
from threading import BoundedSemaphore
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from headrace.listening import ListeningConnection
from headrace.settings import Settings

log = logging.getLogger(__name__)

DRAIN = "headrace.drain"
INGEST = "headrace.ingest"
FINALISE = "headrace.finalise"
SWEEP = "headrace.sweep"

SWEEP_SECONDS = 5.0
SOCKET_TIMEOUT_SECONDS = 5.0
HINT_EXPIRES_SECONDS = 900  # the receiver compares with its own clock, which may be minutes ahead
# A hint that cannot be sent at once is not sent: a submission must not wait for a broker that is away.
PUBLISH_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
# Redis-py reconnects and tries once more: a connection may be old. So a hint ends within two of these.
PUBLISH_TIMEOUT_SECONDS = 2.0
AT_ONCE = 10  # as many connections as Celery's pool has, which would have others wait for ever
TURN_SECONDS = 1.0  # to wait for one of them
SILENT_SECONDS = 4.0  # less than between two sweeps, so that each of them tries


class Broker(AMQP):
    """What Celery makes its connections of."""

    Connection = ListeningConnection


class HintApp(Celery):
    """Celery whose publishing ends soon, also where a broker accepts connections and never answers."""

    amqp_cls = "headrace.dispatch:Broker"

    silent_until = 0.0
    """Before this time (monotonic) no hint is sent: one failed just now, and the next would wait as long."""

    def connection_for_write(self, url: str | None = None, **options: Any) -> Connection:
        """The connections to publish on. They fall silent, or speak, much sooner than those that listen."""
        timeouts = {
            "socket_timeout": PUBLISH_TIMEOUT_SECONDS,
            "socket_connect_timeout": PUBLISH_TIMEOUT_SECONDS,
            "health_check_interval": 0,  # it would be one more thing to wait for
            "max_retries": 0,
        }
        options["transport_options"] = timeouts | (options.get("transport_options") or {})
        return super().connection_for_write(url, **options)


def make_app(redis_url: str) -> HintApp:
    """The Celery app. `docs/decisions/0001-celery-carries-hints.md` gives reasons for its settings."""
    app = HintApp("headrace", broker=redis_url)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue="headrace",
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_concurrency=1000,  # greenlets: a lane's drain has one while it waits for its quota
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=AT_ONCE,
        broker_channel_error_retry=True,  # a Redis that became a replica refuses, and may be promoted again
        broker_transport_options={
            "global_keyprefix": "headrace:",
            "socket_timeout": SOCKET_TIMEOUT_SECONDS,
            "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "retry_on_timeout": True,
            **PUBLISH_ONCE,
        },
        beat_schedule={
            "sweep": {
                "task": SWEEP,
                "schedule": SWEEP_SECONDS,
                "options": {"expires": HINT_EXPIRES_SECONDS},
            }
        },
        beat_max_loop_interval=SWEEP_SECONDS,
    )
    return app


app = make_app(Settings().redis_url)
_turns = BoundedSemaphore(AT_ONCE)


def wake(lane: str) -> None:
    """Tell the workers that a lane has due jobs."""
    _hint(DRAIN, lane)


def wake_ingest(batch_id: str) -> None:
    """Tell the workers that a batch waits to be ingested."""
    _hint(INGEST, batch_id)


def wake_finalise(batch_id: str) -> None:
    """Tell the workers that a batch waits for its files."""
    _hint(FINALISE, batch_id)


def _hint(task: str, subject: str) -> None:
    """A courtesy after a commit: when it fails, the sweep finds the work in the tables.

    After one that failed, none is tried for some seconds, and then one at a time until one arrives.
    """
    at, was_silent = time.monotonic(), app.silent_until > 0
    if at < app.silent_until:
        return
    if was_silent:
        app.silent_until = at + SILENT_SECONDS
    if not _turns.acquire(timeout=TURN_SECONDS):
        return
    try:
        app.send_task(task, args=[subject], expires=HINT_EXPIRES_SECONDS, retry=False)
    except (KombuError, RedisError, OSError) as error:
        _fall_silent(type(error).__name__)
    else:
        if was_silent:
            log.warning("wake-ups reach the broker again")
        app.silent_until = 0.0
    finally:
        _turns.release()


def _fall_silent(reason: str) -> None:
    if not app.silent_until:
        log.warning("wake-ups do not reach the broker (%s): the sweep will find the work", reason)
    app.silent_until = time.monotonic() + SILENT_SECONDS
