"""PostgreSQL: an engine whose connections notice when the other side is gone, or not the primary any more."""

import math
import re
import time
from functools import partial
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Connection, Dialect, Engine, ExceptionContext, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlmodel import create_engine

UNIT_SECONDS = 45.0
IDLE_ANSWER_SECONDS = 10.0
FRESH_SECONDS = 1.0  # used so lately, a connection is not asked whether it lives: it costs as much as a write
READ_ONLY = "25006"
BUSY = ("55P03", "40P01")  # lock_not_available, deadlock_detected
OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "prepare_threshold": 3,
    "target_session_attrs": "read-write",  # of several hosts, the one that is the primary now
    # a worker that was stopped in the middle must not keep its locks
    "options": "-c idle_in_transaction_session_timeout=30000",
}
SEVERAL_HOSTS = re.compile(
    r"(?P<login>[a-z+]+://([^@/]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<name>/[^?]*)?(\?(?P<query>.*))?"
)


class PatientConnection(psycopg.Connection[Any]):
    """Waits for answers until `answer_by` (monotonic; None: for each some seconds), and then is closed.

    Keepalives do not notice a peer whose kernel acknowledges while its program is gone, such as a proxy.
    """

    answer_by: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Drive an operation to its end. Raises OperationalError when its time is over."""
        left = IDLE_ANSWER_SECONDS if self.answer_by is None else self.answer_by - time.monotonic()
        end = time.monotonic() + min(left, math.inf if timeout is None else timeout)
        try:
            return super().wait(gen, interval, None if end == math.inf else max(0.0, end - time.monotonic()))
        except psycopg.OperationalError as error:
            if timeout is None and time.monotonic() >= end and error.sqlstate is None:
                self.pgconn.finish()
                raise psycopg.OperationalError("the database did not answer in time") from error
            raise


def postgres_engine(url: URL, pool_size: int) -> Engine:
    """An engine for `url`, which may name several hosts. What its query says goes before our options."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=10,
        hide_parameters=True,  # prompts and answers; errors are logged
        connect_args={name: value for name, value in OPTIONS.items() if name not in url.query},
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", partial(_ready, engine.dialect))
    event.listen(engine, "begin", _with_end)
    event.listen(engine, "checkin", _idle)
    event.listen(engine, "handle_error", _lost, retval=True)
    return engine


def one_host_each(url: str) -> str:
    """`//a:1,b:2/name`, as libpq writes several hosts, in the form that SQLAlchemy reads."""
    parts = SEVERAL_HOSTS.fullmatch(url)
    if parts is None:
        return url
    query = "&".join(
        [*(f"host={host}" for host in parts["hosts"].split(",")), *filter(None, [parts["query"]])]
    )
    return f"{parts['login']}{parts['name'] or '/'}?{query}"


def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> PatientConnection:
    return PatientConnection.connect(*arguments, **parameters)


def _ready(dialect: Dialect, connection: PatientConnection, record: Any, _proxy: Any) -> None:
    """Left alone for a while, it must say that it lives. Then it has no end: a migration takes its time."""
    if time.monotonic() - record.info.get("idle_since", math.inf) > FRESH_SECONDS:
        try:
            dialect.do_ping(connection)  # type: ignore[arg-type] # it is the driver's own
        except psycopg.Error as error:
            raise InvalidatePoolError from error
    connection.answer_by = math.inf


def _with_end(connection: Connection) -> None:
    """A unit of work may not."""
    options = connection.get_execution_options()
    if options.get("headrace_read") or options.get("headrace_write"):
        driver: Any = connection.connection.dbapi_connection
        driver.answer_by = time.monotonic() + UNIT_SECONDS


def _idle(connection: PatientConnection | None, record: Any) -> None:
    """In the pool it is asked only whether it still lives."""
    if connection is not None:
        connection.answer_by = None
        record.info["idle_since"] = time.monotonic()


def is_busy(error: OperationalError) -> bool:
    """Whether others had what it wanted, for too long or in another order: it may be tried again."""
    return getattr(error.orig, "sqlstate", None) in BUSY


def _lost(context: ExceptionContext) -> OperationalError | None:
    """A primary that turned read-only is as good as gone; and what is gone is always an OperationalError."""
    error = context.original_exception
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate == READ_ONLY:
        context.is_disconnect = True
    if not context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError):
        return None
    return OperationalError(context.statement, None, error, connection_invalidated=True)
