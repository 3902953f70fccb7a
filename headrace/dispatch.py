"""The Celery app and the only door to the broker. A message names a lane or a batch, and is but a hint."""

import logging

from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

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


def make_app(redis_url: str) -> Celery:
    """The Celery app. `docs/decisions/0001-celery-carries-hints.md` gives reasons for its settings."""
    app = Celery("headrace", broker=redis_url)
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
    """A courtesy after a commit: when it fails, the sweep finds the work in the tables."""
    try:
        app.send_task(task, args=[subject], expires=HINT_EXPIRES_SECONDS, retry=False)
    except (KombuError, RedisError, OSError) as error:
        log.warning("no wake-up for %s (%s): the sweep will find it", task, type(error).__name__)
