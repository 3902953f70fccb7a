"""A PostgreSQL of our own that keeps what it was given, as a real one does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import servers
from tests.server_process import Server

DURABLE = ("fsync=on", "full_page_writes=on")


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database. If the block fails, the server's log is left in `folder`."""
    with postgres_server(folder) as server:
        yield server.url


@contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """The same, for those who ask for its process, too."""
    with servers.postgres(*DURABLE) as server:
        try:
            yield server
        except BaseException:
            shutil.copy(server.folder / "server.log", folder / "postgres.log")
            raise
