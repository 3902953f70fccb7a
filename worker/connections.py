"""Connections to a provider that tell apart what never left from what may have been heard."""

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError

OPEN_CONNECTIONS = 1000


class Adapter(HTTPAdapter):
    """Keeps many connections to one provider open."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=OPEN_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Called by requests."""
        super().init_poolmanager(*args, **options)
        pools = self.poolmanager.pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {**pools, "https": _SecurePool}


class _SecureConnection(HTTPSConnection):
    """urllib3 calls a failed handshake by the names of failures in the midst of a call."""

    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:  # ssl.SSLError is one
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
