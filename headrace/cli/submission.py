"""An input sent to a headrace, as a batch."""

from pathlib import Path

from headrace.cli.conversion import BadInput, Input
from headrace.client import USUAL, BatchOptions, BatchView, Client
from headrace.states import BatchStatus


def submit(client: Client, made: Input, options: BatchOptions = USUAL, **metadata: str) -> BatchView:
    """Upload the requests and have them run."""
    name = Path(made.name).with_suffix(".jsonl").name
    return client.create_batch(client.upload(made.path, name), made.endpoint, metadata, options)


def check_accepted(batch: BatchView, made: Input | None = None) -> None:
    """Raises BadInput if validation found faults, by lines of the user's own input where that is known."""
    if batch.status == BatchStatus.FAILED:
        raise BadInput("\n".join(_told(error, made) for error in batch.errors) or f"{batch.id} failed")


def _told(error: dict[str, object], made: Input | None) -> str:
    line, message = error.get("line"), error["message"]
    if not isinstance(line, int):
        return f"{made.name}: {message}" if made else str(message)
    return f"{made.name}:{made.line_numbers[line - 1]}: {message}" if made else f"line {line}: {message}"
