"""The way to a headrace that runs already."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.cli.options import settings_of
from headrace.client import Client
from headrace.embedded.folder import KEY_FILE
from headrace.errors import ConfigurationError

KEY_VARIABLE = "HEADRACE_API_KEY"


@contextmanager
def connected(url: str, data_dir: Path | None) -> Iterator[Client]:
    """A client with the key from the environment, else with that of the data folder."""
    client = Client(url, os.environ.get(KEY_VARIABLE) or _key_of(settings_of(data_dir).data_dir))
    try:
        yield client
    finally:
        client.close()


def _key_of(folder: Path) -> str:
    try:
        return (folder / KEY_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"no API key: {KEY_VARIABLE} is not set, and {error.filename} cannot be read ({error.strerror})"
        ) from error
