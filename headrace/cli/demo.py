"""`headrace demo`: the whole way, from prompts to answers, against a simulated provider."""

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from headrace.cli.conversations import FAILING_ID, write_conversations
from headrace.cli.conversion import Rules
from headrace.cli.inputs import read_input
from headrace.cli.local import run_here
from headrace.cli.options import Workers
from headrace.cli.report import counted, report
from headrace.cli.results_file import ResultsFile
from headrace.cli.terminal import console, shown
from headrace.client import BatchView
from headrace.clock import now
from headrace.embedded import Stack
from headrace.limits import BURST_SECONDS
from headrace.money import exact
from headrace.money import shown as usd
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess

CONFIGURATION = """\
[providers.simulator]
base_url = "{url}"

[quotas.simulator]
provider = "simulator"
rpm = {rpm}
tpm = {tpm}

[prices.simulator-small]
input = 0.15
cached_input = 0.075
output = 0.60

[prices.simulator-large]
input = 2.50
cached_input = 1.25
output = 10.00
"""
PRICES = (("simulator-small", "0.15,0.075,0.60"), ("simulator-large", "2.50,1.25,10.00"))  # what it bills
SHOWN_ANSWERS = 3
SHOWN_CHARACTERS = 100

Folder = Annotated[Path, typer.Option("--data-dir", help="Where everything of the demo lies.")]
Jobs = Annotated[int, typer.Option("--jobs", min=SHOWN_ANSWERS, help="Conversations to run.")]
Rpm = Annotated[int, typer.Option("--rpm", min=1, help="Requests a minute that the simulator allows.")]
Tpm = Annotated[int, typer.Option("--tpm", min=1, help="Tokens a minute that the simulator allows.")]


def demo(
    jobs: Jobs = 240,
    rpm: Rpm = 600,
    tpm: Tpm = 150_000,
    workers: Workers = None,
    folder: Folder = Path("headrace-demo"),
) -> None:
    """Run mixed conversations through API, Valkey, workers and SQLite, against a simulator that keeps limits.

    One of them must fail. It needs no key and no network. Exit status: 0 if all came out as expected.
    """
    _forget_environment()
    began = int(now().timestamp())
    folder.mkdir(parents=True, exist_ok=True)
    given, configuration = folder / "demo-input.jsonl", folder / "headrace.toml"
    write_conversations(given, jobs)
    with (
        TemporaryDirectory(prefix="headrace-") as scratch,
        ResultsFile(folder / "demo-results.jsonl") as results,
    ):
        log = Path(scratch) / "simulator.log"
        with SimulatorProcess(SimulatorConfig(rpm=rpm, tpm=tpm, log=log, prices=PRICES)) as simulator:
            configuration.write_text(CONFIGURATION.format(url=simulator.base_url, rpm=rpm, tpm=tpm))
            settings = Settings(data_dir=folder, config=configuration)
            made = read_input(str(given), Path(scratch), Rules(None, lambda _: True, settings.max_body_bytes))
            batch, outcomes = run_here(Stack(settings, workers=workers), made, results)
            stats = simulator.stats()
        console.print(_simulators_view(stats, log, rpm))
    report(batch, outcomes)
    agrees = batch.created_at < began or is_billed_so(batch, stats["billed_nanos"])
    raise typer.Exit(_verdict(given, results.path, jobs) or int(not agrees))


def _forget_environment() -> None:
    """The demo is the same everywhere, and never meets somebody's database or provider."""
    for name in [name for name in os.environ if name.upper().startswith("HEADRACE_")]:
        del os.environ[name]


def _simulators_view(stats: Mapping[str, Any], log: Path, rpm: int) -> Table:
    """What the provider itself counted, and the share of its requests a minute that was used."""
    events = map(orjson.loads, log.read_bytes().splitlines())
    times = [event["time"] for event in events if event["event"] == "received"]
    paced = [time for time in times if time > times[0] + BURST_SECONDS]  # a lane opens with its burst
    per_minute = len(paced) / (paced[-1] - times[0] - BURST_SECONDS) * 60 if paced else 0.0
    view = counted("the simulator saw", {"calls": stats["received"], "429s": stats["rate_limited"]})
    view.add_row("calls a minute", f"{per_minute:,.0f}")
    view.add_row("of the allowance", f"{per_minute / rpm:.0%}")
    view.add_row("billed", usd(stats["billed_nanos"]))
    return view


def is_billed_so(batch: BatchView, billed_nanos: int) -> bool:
    """Whether our ledger of a batch is the provider's bill, to the last nano of a dollar."""
    booked = batch.cost_nanos or 0
    agrees = booked <= billed_nanos <= booked + batch.doubtful_nanos
    word = "agrees" if agrees else "does not agree"
    typer.echo(
        f"the ledger {word} with the provider's bill: ${exact(booked)} booked, ${exact(billed_nanos)} billed"
    )
    return agrees


def _verdict(given: Path, path: Path, jobs: int) -> int:
    """Shows some answers; 0 if there is a result for each conversation, and the one that had to fail did."""
    questions = {line["id"]: line["messages"][-1]["content"] for line in _lines(given)}
    answers = {line["custom_id"]: _answer(line) for line in _lines(path)}
    for custom_id in islice(filter(answers.get, answers), SHOWN_ANSWERS):
        typer.echo(f"  {shown(questions[custom_id])[:SHOWN_CHARACTERS]}")
        typer.echo(f"    {shown(answers[custom_id])[:SHOWN_CHARACTERS]}")
    failed = [custom_id for custom_id, answer in answers.items() if not answer]
    typer.echo(f"{len(answers):,} results are in {path}")
    if len(answers) == jobs and failed == [FAILING_ID]:
        typer.echo("as expected: every conversation has an answer, but for the one that had to fail")
        return 0
    typer.echo(
        f"not as expected: {len(answers)} results for {jobs} conversations; failed: {failed}", err=True
    )
    return 1


def _answer(line: dict[str, Any]) -> str:
    """What the model said; nothing if the request failed."""
    response = line["response"]
    if response is None or response["status_code"] != 200:
        return ""
    return str(response["body"]["choices"][0]["message"]["content"])


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        yield from map(orjson.loads, lines)
