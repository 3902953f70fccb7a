"""Counting tokens exactly, as the newer models of OpenAI do."""

from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import orjson

from headrace.simulator.tokens import Counter

CountKind = Literal["bytes", "o200k"]

ENCODING = "o200k_base"
PACKAGE = "toktok"


class ExactCounter(Counter):
    """Counts with the encoding o200k_base. Raises ValueError if the package for that is not installed."""

    def __init__(self, package: str = PACKAGE) -> None:
        if find_spec(package) is None:
            raise ValueError(
                "count o200k needs the package toktok-rs: pip install 'headrace[counting]', or count bytes"
            )
        # Loaded on demand: it takes time that those who count bytes should not wait for.
        self._count = import_module(package).batch_count

    def text(self, text: str) -> int:
        counted: int = self._count([text], ENCODING, 1)[0]
        return counted

    def json(self, value: object) -> int:
        return self.text(orjson.dumps(value).decode()) if value else 0


def counter_for(name: str) -> Counter:
    """The one that `--count` names: `bytes` or `o200k`. Raises ValueError."""
    counters = {"bytes": Counter, "o200k": ExactCounter}
    if name not in counters:
        raise ValueError(f"count must be one of {', '.join(counters)}, not {name!r}")
    return counters[name]()
