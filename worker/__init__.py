"""What a worker process runs: `celery -A worker worker -P gevent`, and `celery -A worker beat`."""

from headrace.dispatch import app
from worker import tasks

__all__ = ["app", "tasks"]
