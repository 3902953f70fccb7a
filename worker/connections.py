"""Connections to a provider that tell apart what never left from what may have been heard."""

import select
import time
from contextlib import suppress
from queue import Empty
from typing import Any

import requests
from gevent import monkey
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from headrace.failpoints import failpoint

OPEN_CONNECTIONS = 4000  # as many calls as a lane has in flight in a process
IDLE_SECONDS = 60.0  # most servers have hung up by then
TIDY_SECONDS = 10.0
NO_COOKIES = RequestsCookieJar()

_poll = monkey.get_original("select", "poll")


class Adapter(HTTPAdapter):
    """Keeps many connections to one provider open.

    requests asks it the same things for every call; it finds out once.
    """

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=OPEN_CONNECTIONS)
        self._pool: HTTPConnectionPool | None = None
        self._paths: dict[str | None, str] = {}

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Called by requests."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        """Called by requests: the provider's only pool."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **options)
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Called by requests: what follows the host in a URL."""
        path = self._paths.get(request.url)
        if path is None:
            path = self._paths[request.url] = super().request_url(request, proxies)
        return path

    def cert_verify(self, conn: HTTPConnectionPool, url: str, verify: Any, cert: Any) -> None:
        """Called by requests: says where the pool finds whom to trust."""
        if not conn.num_requests:
            super().cert_verify(conn, url, verify, cert)

    def build_response(self, req: requests.PreparedRequest, resp: HTTPResponse) -> requests.Response:
        """Called by requests."""
        response = _Response()
        response.status_code, response.reason = resp.status, resp.reason or ""
        response.headers = resp.headers  # type: ignore[assignment] # it does not care for case either
        response.raw, response.request, response.connection = resp, req, self
        response.url = req.url or ""
        return response


class _Response(requests.Response):
    """An answer whose cookies nobody takes: requests makes a jar for each."""

    def __init__(self) -> None:
        self._content = False
        self._content_consumed = False
        self.history = []
        self.encoding = None
        self.cookies = NO_COOKIES


class _Unheard(HTTPConnection):
    """A connection that is reset before the first byte of a request left says so.

    urllib3 goes on after such a reset, in case that the server has answered something before.
    """

    _has_left = False

    @property
    def is_connected(self) -> bool:
        """Whether the server has neither hung up nor spoken. gevent's `poll` starts a watcher for that."""
        if self.sock is None:
            return False
        look = _poll()
        look.register(self.sock, select.POLLIN)
        return not look.poll(0)

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
