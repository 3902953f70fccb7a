"""`headrace run`: a file of prompts in, answers and usage out, with nothing else running."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from headrace.cli.conversion import Input, Rules
from headrace.cli.inputs import STDIN, read_input
from headrace.cli.local import run_here
from headrace.cli.options import (
    Ambiguous,
    Budget,
    DataDir,
    InputArgument,
    InvalidLines,
    Model,
    Priority,
    Window,
    Workers,
    settings_of,
)
from headrace.cli.providers import missing_key
from headrace.cli.report import exit_code, report
from headrace.cli.results_file import ResultsFile
from headrace.client import USUAL, BatchOptions
from headrace.config import load_config
from headrace.embedded import Stack, settled
from headrace.errors import ConfigurationError
from headrace.settings import Settings

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="The file for the results. (default: NAME.results.jsonl, beside INPUT)",
        show_default=False,
    ),
]


def run(
    given: InputArgument,
    out: Out = None,
    model: Model = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    window: Window = USUAL.completion_window,
    priority: Priority = USUAL.priority,
    invalid_lines: InvalidLines = "fail",
    on_ambiguous: Ambiguous = "retry",
    budget: Budget = None,
) -> None:
    """Run all requests of INPUT, and write their results to a file, in the order of INPUT.

    Interrupted, it goes on where it stopped when the same command is given again. Exit status: 0 if all
    requests succeeded, 1 if some did not, 2 if INPUT cannot be run (nothing was sent), 130 if interrupted.
    """
    settings = settled(settings_of(data_dir))
    options = BatchOptions(window, priority, invalid_lines, on_ambiguous, budget)
    path = out or _beside(given)
    if path.exists() and given != STDIN and path.samefile(given):
        raise ConfigurationError(f"{path} is the input: name another --out")
    with TemporaryDirectory(prefix="headrace-") as scratch, ResultsFile(path) as results:
        made = read_input(given, Path(scratch), _rules(settings, model, skip=invalid_lines == "skip"))
        stack = Stack(_with_room(settings, made), workers=workers)
        batch, outcomes = run_here(stack, made, results, options)
    report(batch, outcomes)
    typer.echo(f"{made.total:,} results are in {results.path}")
    raise typer.Exit(exit_code(batch))


def _beside(given: str) -> Path:
    return Path("results.jsonl") if given == STDIN else Path(given).with_suffix(".results.jsonl")


def _rules(settings: Settings, model: str | None, *, skip: bool) -> Rules:
    config = load_config(settings)
    if missing := missing_key(config):
        raise ConfigurationError(missing)
    return Rules(model, lambda name: config.route(name) is not None, settings.max_body_bytes, skip)


def _with_room(settings: Settings, made: Input) -> Settings:
    """Our own limits on a batch are for an API; here they make room, unless somebody set them."""
    needs = {"max_batch_lines": made.total, "max_file_bytes": made.path.stat().st_size}
    free = needs.keys() - settings.model_fields_set
    return settings.model_copy(update={name: max(needs[name], getattr(settings, name)) for name in free})
