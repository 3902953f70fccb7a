"""The stack on a test bench: headrace as it is shipped, in a folder of its own, in front of a simulator."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from headrace.embedded import Stack
from headrace.settings import Settings

CONFIGURATION = """\
[providers.simulator]
base_url = "{base_url}"

[quotas.simulator]
provider = "simulator"
"""


@contextmanager
def bench_folder() -> Iterator[Path]:
    """A folder for one run. It is removed, unless the run broke off: then its logs are worth reading."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-bench-"))
    try:
        yield folder
    except BaseException:
        print(f"what is left of this run lies in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder)


@contextmanager
def running_stack(
    folder: Path,
    base_url: str,
    *,
    workers: int,
    database_url: str | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
    **limits: int,
) -> Iterator[Stack]:
    """Valkey, API, beat and so many workers, ready, with any of the `limits` rpm, tpm and max_in_flight.

    Without a `database_url` they use an SQLite in the folder. `more` are other settings of theirs.
    """
    _ignore_environment()
    config = folder / "headrace.toml"
    config.write_text(_configuration(base_url, limits), encoding="utf-8")
    settings = Settings(data_dir=folder / "data", config=config, database_url=database_url, **more)
    with Stack(settings, workers=workers) as stack:
        stack.wait_ready()
        yield stack


def _ignore_environment() -> None:
    """Neither a database nor a provider that somebody works with may be what a bench puts its load on."""
    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        del os.environ[name]


def _configuration(base_url: str, limits: dict[str, int]) -> str:
    stated = [f"{name} = {limit}\n" for name, limit in limits.items()]
    return CONFIGURATION.format(base_url=base_url) + "".join(stated)
