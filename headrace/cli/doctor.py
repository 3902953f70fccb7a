"""`headrace doctor`: what is in order, what is not, and what to do about it."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from headrace.cli.options import DataDir, settings_here
from headrace.cli.terminal import console, shown
from headrace.doctor import Finding, Level, diagnose
from headrace.embedded.folder import DataFolder
from headrace.settings import Settings

STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.WRONG: "bold red"}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look at every part of a headrace, and say what is wrong and what to do about it.

    Run it with the settings of the processes, and where they run; it finds the stack of `headrace up` in the
    data folder. No call is paid for. The exit status is 1 if something is wrong; warnings leave it at 0.
    """
    findings = diagnose(_beside_a_stack(settings_here(data_dir)))
    bad = any(finding.level is Level.WRONG for finding in findings)
    if as_json:
        listed = [finding._asdict() for finding in findings]
        typer.echo(json.dumps({"ok": not bad, "findings": listed}, indent=2))
    else:
        _show(findings)
    raise typer.Exit(int(bad))


def _beside_a_stack(settings: Settings) -> Settings:
    """The settings of the stack that runs in the data folder, if one does."""
    broker = DataFolder(settings.data_dir).broker
    if broker is None or "redis_url" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"redis_url": broker})


def _show(findings: Sequence[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=max(map(len, Level)))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    subject = ""
    for finding in findings:
        level = Text(finding.level, style=STYLES[finding.level])
        what = Text(shown(finding.what))
        if finding.advice:
            what.append(f"\n-> {shown(finding.advice)}", style="bold")
        table.add_row(level, finding.subject if finding.subject != subject else "", what)
        subject = finding.subject
    console.print(table)
    console.print(_summary(findings))


def _summary(findings: Sequence[Finding]) -> str:
    counted = Counter(finding.level for finding in findings)
    warnings = counted[Level.WARNING]
    return f"\n{counted[Level.WRONG]} wrong, {warnings} warning{'' if warnings == 1 else 's'}"
