"""Whether what a call brings could be stored. Asked before each claim and each departure."""

import logging
import math
import time
from pathlib import Path

from headrace.disk import free_bytes
from worker.landing import Lander

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Room:
    """The disk of the data folder, measured at most once a second, and what waits to be written."""

    def __init__(self, folder: Path, min_free_bytes: int, lander: Lander) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._lander = lander
        self._looked_at = -math.inf
        self._disk_is_short = False

    def is_short(self) -> bool:
        """Whether no new call may be made."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._look()
            self._looked_at = time.monotonic()
        return self._disk_is_short or self._lander.is_stuck

    def _look(self) -> None:
        try:
            free = free_bytes(self._folder)
        except OSError as error:
            log.warning("the free space of the data folder cannot be told: %s", error)
            return
        short = free < self._min_free_bytes
        if short and not self._disk_is_short:
            log.error("%d bytes are free, less than %d: no new call is made", free, self._min_free_bytes)
        elif self._disk_is_short and not short:
            log.warning("%d bytes are free again: calls are made again", free)
        self._disk_is_short = short
