"""`python -m bench` runs every program, `python -m bench NAME` one. Exit code 1: a promise is broken."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import backlog as backlog_program
from bench import first_call as first_call_program
from bench import ingest as ingest_program
from bench import large_file as large_file_program
from bench import limits as limits_program
from bench import polling as polling_program
from bench import reports as reports_program
from bench import scale as scale_program
from bench import size as size_program
from bench import throughput as throughput_program
from bench import units as units_program
from bench.report import Report, write_json

RESULTS = Path(__file__).parent / "results.json"
PROGRAMS = (
    limits_program,
    throughput_program,
    ingest_program,
    first_call_program,
    backlog_program,
    size_program,
    large_file_program,
    polling_program,
    reports_program,
    scale_program,
    units_program,
)

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there, too.")
]

app = typer.Typer(add_completion=False, help="What headrace promises, as programs. Without a name, all run.")


@app.callback(invoke_without_command=True)
def everything(context: typer.Context, json: JsonFile = None) -> None:
    """Run every program with the figures that its promise names, and keep them in bench/results.json."""
    if context.invoked_subcommand is None:
        console = Console()
        finish(console, json or RESULTS, *(program.measure(console) for program in PROGRAMS))


@app.command()
def limits(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs to run.")] = limits_program.JOBS,
    json: JsonFile = None,
) -> None:
    """600 RPM and 60,000 TPM over two workers: nothing lost, no 429s, the allowance used. About 100 s."""
    console = Console()
    finish(console, json, limits_program.measure(console, jobs))


def _contestant(key: str) -> str:
    if key not in throughput_program.KEYS:
        raise typer.BadParameter(f"not one of {', '.join(throughput_program.KEYS)}")
    return key


@app.command()
def throughput(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs to run.")] = throughput_program.JOBS,
    rounds: Annotated[int, typer.Option(min=1, help="How often all run.")] = throughput_program.ROUNDS,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Run the bare loop and these: {', '.join(throughput_program.KEYS)}.", parser=_contestant
        ),
    ] = None,
    json: JsonFile = None,
) -> None:
    """Jobs a second and CPU a job, beside other ways to make the same calls. About a quarter of an hour."""
    console = Console()
    finish(console, json, throughput_program.measure(console, jobs, rounds, only or ()))


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


@app.command()
def ingest(
    jobs: Annotated[
        int, typer.Option(min=10, help="Lines of the file, of 2 KiB each.")
    ] = ingest_program.JOBS,
    rounds: Annotated[int, typer.Option(min=1, help="How often all run.")] = ingest_program.ROUNDS,
    json: JsonFile = None,
) -> None:
    """From the batch's creation to its first call, beside parsing and inserting with nothing around it."""
    console = Console()
    finish(console, json, ingest_program.measure(console, jobs, rounds))


@app.command()
def first_call(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs to submit, one by one.")] = first_call_program.JOBS,
    json: JsonFile = None,
) -> None:
    """From `POST /v1/jobs` on an idle stack to the call."""
    console = Console()
    finish(console, json, first_call_program.measure(console, jobs))


@app.command()
def backlog(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs that are queued.")] = backlog_program.JOBS,
    json: JsonFile = None,
) -> None:
    """Claims, landings, polls and sweeps with a million queued jobs, and with a thousand batches."""
    console = Console()
    finish(console, json, backlog_program.measure(console, jobs))


@app.command()
def size(
    jobs: Annotated[int, typer.Option(min=100, help="Lines of the large batch.")] = size_program.JOBS,
    json: JsonFile = None,
) -> None:
    """Memory while a batch of 500,000 jobs goes through, beside one of a hundredth."""
    console = Console()
    finish(console, json, size_program.measure(console, jobs))


@app.command()
def polling(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs that run meanwhile.")] = polling_program.JOBS,
    json: JsonFile = None,
) -> None:
    """What 200 polls a second cost a queue at full speed."""
    console = Console()
    finish(console, json, polling_program.measure(console, jobs))


@app.command()
def reports(
    jobs: Annotated[
        int, typer.Option(min=100, help="Jobs in the ledger, a call each.")
    ] = reports_program.JOBS,
    at_once: Annotated[
        int, typer.Option(min=1, max=40, help="Batches that run at once: the more, the more sums by hour.")
    ] = 1,
    json: JsonFile = None,
) -> None:
    """Reports of usage and cost over a million jobs, beside adding up the ledger."""
    console = Console()
    finish(console, json, reports_program.measure(console, jobs, at_once))


@app.command()
def scale(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs to run.")] = scale_program.JOBS,
    json: JsonFile = None,
) -> None:
    """One, two and four worker processes in front of a provider that takes two seconds."""
    console = Console()
    finish(console, json, scale_program.measure(console, jobs))


@app.command()
def units(
    jobs: Annotated[int, typer.Option(min=10, help="Jobs to run at full speed.")] = units_program.JOBS,
    paced_seconds: Annotated[
        int, typer.Option(min=1, help="How long to run at the pace of a host.")
    ] = units_program.PACED_SECONDS,
    json: JsonFile = None,
) -> None:
    """What a job costs in transactions, bytes and Redis calls, to plan with."""
    console = Console()
    finish(console, json, units_program.measure(console, jobs, paced_seconds))


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
