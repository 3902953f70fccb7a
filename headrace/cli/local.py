"""An input run to its end on a stack of our own: for `headrace run`, and for the demo."""

from pathlib import Path

import typer

from headrace.cli.conversion import Input
from headrace.cli.following import follow
from headrace.cli.interrupts import PATIENCE, interruptible
from headrace.cli.outcomes import Outcomes, result_pages
from headrace.cli.progress import display
from headrace.cli.results_file import ResultsFile
from headrace.cli.submission import check_accepted, submit
from headrace.cli.terminal import near
from headrace.client import USUAL, BatchOptions, BatchView, Client, Unreachable
from headrace.embedded import Stack
from headrace.errors import ConfigurationError
from headrace.money import nanos, shown, usd_of
from headrace.states import BatchStatus

HASH_KEY = "headrace_input_sha256"
RESUMABLE = frozenset(
    {BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED}
)
CALLING = frozenset({BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS})


def run_here(
    stack: Stack, made: Input, results: ResultsFile, options: BatchOptions = USUAL
) -> tuple[BatchView, Outcomes]:
    """Start the stack, run the input on it, stop the stack. A signal raises KeyboardInterrupt."""
    with interruptible(stack), stack:
        typer.echo(
            f"starting headrace, with {stack.workers} workers; its logs are in {near(stack.folder.logs)}"
        )
        try:
            stack.wait_ready()
            return run_on(stack, made, results, options)
        except Unreachable:
            stack.check()  # the better reason, if there is one
            raise
        except KeyboardInterrupt:
            typer.echo(f"stopping, {PATIENCE}; the same command will go on from here", err=True)
            raise


def run_on(
    stack: Stack, made: Input, results: ResultsFile, options: BatchOptions = USUAL
) -> tuple[BatchView, Outcomes]:
    """Submit the input to a ready stack, or go on with its interrupted batch; show it; fill the file."""
    client = Client(stack.base_url, stack.api_key)
    collected = _Collected(stack.folder.path / "collected")
    try:
        batch = _unfinished(client, made, collected, options.on_ambiguous)
        if batch:
            _change_budget(client, batch, options.budget_usd)
        batch = batch or submit(client, made, options, **{HASH_KEY: made.sha256})
        where = f"--url {stack.base_url} --data-dir {near(stack.folder.path)}"
        if options.on_ambiguous == "hold":
            typer.echo(f"requests may come to be held: see `headrace held {where}`")
        if options.budget_usd is not None:
            typer.echo(f"to change the budget meanwhile: `headrace budget {batch.id} USD {where}`")
        with display() as screen:
            batch = follow(client, batch.id, screen, stack.check)
        check_accepted(batch, made)
        outcomes = results.fill(result_pages(client, batch.id), made)
        collected.add(batch.id)
    finally:
        client.close()
    return batch, outcomes


def _unfinished(client: Client, made: Input, collected: "_Collected", on_ambiguous: str) -> BatchView | None:
    """The newest batch of the same requests, if its results were never collected: they are paid for.

    Raises ConfigurationError if calls of it may come that go by another policy than this one.
    """
    same = (batch for batch in client.batches() if batch.metadata.get(HASH_KEY) == made.sha256)
    newest = next(same, None)
    if newest is None or newest.status not in RESUMABLE or newest.id in collected:
        return None
    if newest.on_ambiguous != on_ambiguous and newest.status in CALLING:
        raise ConfigurationError(
            f"{newest.id} has these requests, is not done, and was begun with --on-ambiguous "
            f"{newest.on_ambiguous}: go on with that, or begin afresh in another --data-dir"
        )
    typer.echo(f"resuming {newest.id}: {newest.done:,} of {newest.total:,} are done already")
    return newest


def _change_budget(client: Client, batch: BatchView, usd: str | None) -> None:
    """A batch that is gone on with has the budget that it had, unless another one is given."""
    if usd is None or batch.status not in CALLING or nanos(usd_of(usd)) == batch.budget_nanos:
        return
    client.set_budget(batch.id, usd)
    typer.echo(f"its budget is {shown(nanos(usd_of(usd)))} now")


class _Collected:
    """The batches whose results reached their file: an empty file each, named by the batch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, batch_id: str) -> bool:
        return (self._folder / batch_id).exists()

    def add(self, batch_id: str) -> None:
        """Remember one more."""
        self._folder.mkdir(exist_ok=True)
        (self._folder / batch_id).touch()
