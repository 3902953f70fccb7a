"""Connections to a provider that tell apart what never left from what may have been heard."""

import time
from contextlib import suppress
from queue import Empty
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from headrace.failpoints import failpoint

OPEN_CONNECTIONS = 2000  # as many calls as a lane has in flight in a process
IDLE_SECONDS = 60.0  # most servers have hung up by then
TIDY_SECONDS = 10.0


class Adapter(HTTPAdapter):
    """Keeps many connections to one provider open."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=OPEN_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Called by requests."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Unheard(HTTPConnection):
    """A connection that is reset before the first byte of a request left says so.

    urllib3 goes on after such a reset, in case that the server has answered something before.
    """

    _has_left = False

    def request(self, *args: Any, **options: Any) -> None:
        self._has_left = False
        super().request(*args, **options)

    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except ConnectionError as error:
            if self._has_left:
                raise
            raise NewConnectionError(self, f"The connection was gone already: {error}") from error
        self._has_left = True

    def getresponse(self) -> Any:
        failpoint("sent")
        return super().getresponse()


class _SecureConnection(_Unheard, HTTPSConnection):
    """urllib3 calls a failed handshake by the names of failures in the midst of a call."""

    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:  # ssl.SSLError is one
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error


class _Tidy(HTTPConnectionPool):
    """Closes connections that nobody uses any more: a moment of many calls would leave as many for ever."""

    _tidied_at = 0.0

    def _put_conn(self, conn: Any) -> None:
        at = time.monotonic()
        if conn is not None:
            conn.idle_since = at
        super()._put_conn(conn)
        if at - self._tidied_at > TIDY_SECONDS:
            self._tidied_at = at
            self._close_idle(at - IDLE_SECONDS)

    def _close_idle(self, least: float) -> None:
        held = []
        with suppress(Empty):
            while self.pool is not None:
                held.append(self.pool.get(block=False))
        for conn in reversed(held):
            is_idle = conn is not None and conn.idle_since < least
            if is_idle:
                conn.close()
            super()._put_conn(None if is_idle else conn)


class _Pool(_Tidy):
    ConnectionCls = _Unheard


class _SecurePool(_Tidy, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
