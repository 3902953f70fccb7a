"""The stack on a test bench: headrace as it is shipped, in a folder of its own, in front of a simulator."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
def running_stack(folder: Path, base_url: str, *, workers: int, **limits: int) -> Iterator[Stack]:
    """Valkey, API, beat and so many workers, ready, with any of the `limits` rpm, tpm and max_in_flight."""
    _ignore_environment()
    config = folder / "headrace.toml"
    config.write_text(_configuration(base_url, limits), encoding="utf-8")
    with Stack(Settings(data_dir=folder / "data", config=config), workers=workers) as stack:
        stack.wait_ready()
        yield stack


def _ignore_environment() -> None:
    """Neither a database nor a provider that somebody works with may be what a bench puts its load on."""
    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        del os.environ[name]


def _configuration(base_url: str, limits: dict[str, int]) -> str:
    stated = [f"{name} = {limit}\n" for name, limit in limits.items()]
    return CONFIGURATION.format(base_url=base_url) + "".join(stated)
