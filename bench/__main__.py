"""`python -m bench` runs every program, `python -m bench NAME` one. Exit code 1: a promise is broken."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import large_file as large_file_program
from bench import limits as limits_program
from bench import throughput as throughput_program
from bench.report import Report, write_json

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there, too.")
]

app = typer.Typer(add_completion=False, help="What headrace promises, as programs. Without a name, all run.")


@app.callback(invoke_without_command=True)
def everything(context: typer.Context, json: JsonFile = None) -> None:
    """Run every program with the figures that its promise names."""
    if context.invoked_subcommand is None:
        console = Console()
        programs = (limits_program, throughput_program, large_file_program)
        finish(console, json, *(program.measure(console) for program in programs))


@app.command()
def limits(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs to run.")] = limits_program.JOBS,
    json: JsonFile = None,
) -> None:
    """600 RPM and 60,000 TPM over two workers: nothing lost, no 429s, the allowance used. About 100 s."""
    console = Console()
    finish(console, json, limits_program.measure(console, jobs))


@app.command()
def throughput(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs to run.")] = throughput_program.JOBS,
    json: JsonFile = None,
) -> None:
    """Jobs a second and CPU a job, beside a bare `requests` + gevent loop. About 90 s."""
    console = Console()
    finish(console, json, throughput_program.measure(console, jobs))


@app.command()
def large_file(
    jobs: Annotated[
        int, typer.Option(min=10, help="Lines of the file, of 4 KiB each.")
    ] = large_file_program.JOBS,
    json: JsonFile = None,
) -> None:
    """The largest batch of the contract, 200 MiB in 50,000 lines: the memory stays flat."""
    console = Console()
    finish(console, json, large_file_program.measure(console, jobs))


def finish(console: Console, json: Path | None, *reports: Report) -> None:
    """Show and write what was found. Raises typer.Exit(1) if a promise is broken."""
    for report in reports:
        report.show(console)
    if json is not None:
        write_json(json, reports)
    if any(report.broken for report in reports):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
