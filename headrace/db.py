"""The engine and the unit of work: one transaction, committed at its edge."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, RowMapping, Select, func
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlmodel import Session, select

from headrace import clock
from headrace.errors import ConfigurationError
from headrace.failpoints import failpoint
from headrace.postgres import one_host_each, postgres_engine
from headrace.sqlite import sqlite_engine


class Database:
    """One engine, three ways in: `begin` to write, `read` to look, `ask` for one thing.

    The first two keep `clock.now()` right.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = _engine(url, pool_size)
        self._writers = self.engine.execution_options(headrace_write=True)
        self._readers = self.engine.execution_options(headrace_read=True)
        self._askers = self._readers.execution_options(headrace_one_statement=True)
        if self.engine.dialect.name == "postgresql":
            self._askers = self._askers.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A writing unit of work: commits at the end, rolls back on an exception.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so it never fails half-way for a lock. On
        PostgreSQL it ends within 45 s, if need be with an OperationalError. An error at the end may be that
        of a COMMIT that was not acknowledged: what is written must bear being written again.
        """
        with Session(self._writers, expire_on_commit=False) as session:
            with session.begin():
                clock.look(lambda: _time(session))
                yield session
                failpoint("before-commit", _lost)
            failpoint("after-commit", _lost)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A unit of work that only reads; on SQLite it waits for nobody."""
        with Session(self._readers, expire_on_commit=False) as session:
            clock.look(lambda: _time(session))
            yield session

    def ask(self, question: Select[Any], values: Mapping[str, Any]) -> Sequence[RowMapping]:
        """The rows that answer one question. It costs half of what a unit of work does: there is none."""
        with self._askers.connect() as connection:
            return connection.execute(question, values).mappings().all()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _engine(url: str, pool_size: int) -> Engine:
    try:
        parsed = make_url(one_host_each(url))
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError("HEADRACE_DATABASE_URL is no database URL") from error
    if parsed.get_backend_name() == "sqlite":
        return sqlite_engine(parsed, pool_size)
    if parsed.get_backend_name() == "postgresql":
        return postgres_engine(parsed, pool_size)
    raise ConfigurationError("HEADRACE_DATABASE_URL must start with sqlite:/// or postgresql://")


def _time(session: Session) -> datetime:
    """PostgreSQL's clock is everybody's; on SQLite there is but one host."""
    if session.get_bind().dialect.name == "sqlite":
        return clock.host()
    told: datetime = session.exec(select(func.clock_timestamp())).one()
    return told


def _lost() -> OperationalError:
    return OperationalError("COMMIT", None, ConnectionError("a failpoint"))
