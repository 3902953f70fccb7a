"""What a program of the bench has found: tables to read, figures to keep, promises kept or broken."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from headrace import __version__
from headrace.clock import now
from headrace.embedded.stack import cores


class Promise(NamedTuple):
    """One promise, what was measured, and whether it was kept."""

    what: str
    measured: str
    promised: str
    kept: bool


@dataclass(frozen=True)
class Report:
    """The findings of one program. `figures` are for JSON."""

    program: str
    tables: Sequence[Table]
    figures: dict[str, Any]
    promises: Sequence[Promise] = ()

    @property
    def broken(self) -> list[str]:
        """The promises that were not kept."""
        return [promise.what for promise in self.promises if not promise.kept]

    def show(self, console: Console) -> None:
        """Everything, for people."""
        for table in self.tables:
            console.print(table)
        if self.promises:
            console.print(_table(self.promises))


def write_json(path: Path, reports: Sequence[Report]) -> None:
    """All figures, with what is to be known of the machine."""
    programs = {report.program: {**report.figures, "broken": report.broken} for report in reports}
    python = platform.python_version()
    machine = {"platform": platform.platform(), "python": python, "cores": cores()}
    document = {"headrace": __version__, "taken_at": now(), "machine": machine, "programs": programs}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _table(promises: Sequence[Promise]) -> Table:
    table = Table("promise", "measured", "promised", "")
    for promise in promises:
        verdict = "[green]kept[/]" if promise.kept else "[bold red]broken[/]"
        table.add_row(promise.what, promise.measured, promise.promised, verdict)
    return table
