"""What a program of the bench has found: tables to read, figures to keep, promises that were broken."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console, RenderableType

from headrace import __version__
from headrace.clock import now
from headrace.embedded.stack import cores


@dataclass
class Report:
    """The findings of one program. `figures` are for JSON, `broken` says which promises are."""

    program: str
    shown: Sequence[RenderableType]
    figures: dict[str, Any]
    broken: list[str] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """The tables, and in red what is broken."""
        console.print(*self.shown, sep="\n")
        for promise in self.broken:
            console.print(f"[bold red]broken:[/] {promise}")


def write_json(path: Path, reports: Sequence[Report]) -> None:
    """All figures, with what is to be known of the machine."""
    found = {report.program: {**report.figures, "broken": report.broken} for report in reports}
    python = platform.python_version()
    machine = {"platform": platform.platform(), "python": python, "cores": cores()}
    document = {"headrace": __version__, "taken_at": now(), "machine": machine, "programs": found}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
