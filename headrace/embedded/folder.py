"""The data folder of a stack: who may use it, its key, its logs."""

import fcntl
import os
from pathlib import Path
from typing import IO

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from headrace.errors import ConfigurationError
from headrace.store import keys

KEY_FILE = "api-key"
BROKER_FILE = "redis-url"


class DataFolder:
    """A folder that one stack at a time uses, and only its owner may look into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        """Where the children's logs go."""
        return self.path / "logs"

    @property
    def key_file(self) -> Path:
        """The API key of this folder's stack."""
        return self.path / KEY_FILE

    @property
    def broker(self) -> str | None:
        """Where the Valkey of the stack that runs here answers; None if it has none of its own."""
        try:
            return (self.path / BROKER_FILE).read_text(encoding="utf-8").strip()
        except OSError:
            return None

    def tell_broker(self, url: str) -> None:
        """Let the owner of this folder find the stack's Valkey. Until `release`."""
        self._write_secret(self.path / BROKER_FILE, url)

    def claim(self) -> None:
        """Make the folder and take it for this process. Raises ConfigurationError if another has it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise ConfigurationError(f"cannot use the data folder {self.path}: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise ConfigurationError(
                f"another headrace (process {owner}) already uses {self.path}: stop it, or give --data-dir"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        (self.path / BROKER_FILE).unlink(missing_ok=True)  # of one that was killed

    def release(self) -> None:
        """Let others use the folder."""
        if self._lock is not None:
            (self.path / BROKER_FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def ensure_key(self, session: Session) -> str:
        """The secret in the key file, made if absent, and known to the database once the session commits."""
        if not self.key_file.exists():
            _, secret = keys.create(session, str(self.key_file))
            self._write_secret(self.key_file, secret)
            return secret
        secret = self.key_file.read_text(encoding="utf-8").strip()
        if keys.find(session, secret) is None:  # the database is newer than the file
            self._adopt_key(session, secret)
        return secret

    def _adopt_key(self, session: Session, secret: str) -> None:
        try:
            keys.create(session, str(self.key_file), secret)
        except IntegrityError as error:
            raise ConfigurationError(
                f"the key in {self.key_file} was revoked: remove the file, and a new key is made"
            ) from error

    def _write_secret(self, path: Path, secret: str) -> None:
        """The file appears whole, and was never anybody else's to read."""
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{secret}\n")
        part.rename(path)
