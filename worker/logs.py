"""Log lines of a worker: time, level, module, message; ids and sizes, never prompts, answers or keys."""

import io
import logging
import os
import sys
from contextlib import suppress

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logs(level: str) -> None:
    """One line an event, on standard error; what cannot be written is left out."""
    # Celery prints its banner and its farewell to these two, and would die of a full disk there.
    sys.__stdout__ = sys.stdout = _Unfailing(1)  # type: ignore[assignment,misc]
    sys.__stderr__ = sys.stderr = _Unfailing(2)  # type: ignore[assignment,misc]
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=FORMAT, force=True)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a full pool is no event
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of, it raises too
    for chatty in ("celery.app.trace", "celery.worker.strategy", "kombu", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Unfailing(io.TextIOBase):
    """A stream without a buffer that keeps quiet when the disk is full or its reader is gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(self._descriptor, text.encode(errors="backslashreplace"))
        return len(text)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True
