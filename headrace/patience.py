"""Units of work that must wait for a whole table, and may meet others on the way."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from headrace.db import Database

TRIES = 8
LONGEST_PAUSE_SECONDS = 0.5
BUSY = ("55P03", "40P01")  # lock_not_available, deadlock_detected

T = TypeVar("T")


def patiently(database: Database, work: Callable[[Session], T]) -> T:
    """Do the work in a transaction; again, some times, when PostgreSQL gave others the way.

    Raises what the last try raises.
    """
    for _ in range(TRIES - 1):
        try:
            with database.begin() as session:
                return work(session)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in BUSY:
                raise
        time.sleep(random.uniform(0.1, 1) * LONGEST_PAUSE_SECONDS)
    with database.begin() as session:
        return work(session)
