"""Log lines of a worker: time, level, module, message; ids and sizes, never prompts, answers or keys."""

import logging
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logs(level: str) -> None:
    """One line an event, on standard error."""
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=FORMAT, force=True)
    for chatty in ("celery.app.trace", "celery.worker.strategy", "kombu", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
