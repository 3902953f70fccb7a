"""Units of work that must wait for a whole table, and may meet others on the way."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from headrace.db import Database
from headrace.postgres import is_busy

TRIES = 8
LONGEST_PAUSE_SECONDS = 0.5

T = TypeVar("T")


def patiently(database: Database, work: Callable[[Session], T], *, at_length: bool = False) -> T:
    """Do the work in a transaction; again, some times, when PostgreSQL gave others the way.

    `at_length`: it may take longer than a unit of work. Raises what the last try raises.
    """
    begin = _without_end if at_length else Database.begin
    for _ in range(TRIES - 1):
        try:
            with begin(database) as session:
                return work(session)
        except OperationalError as error:
            if not is_busy(error):
                raise
        time.sleep(random.uniform(0.1, 1) * LONGEST_PAUSE_SECONDS)
    with begin(database) as session:
        return work(session)


@contextmanager
def _without_end(database: Database) -> Iterator[Session]:
    with Session(database.engine) as session, session.begin():
        yield session
