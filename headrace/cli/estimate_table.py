"""An estimate as a table for people."""

from rich.box import SIMPLE
from rich.table import Table

from headrace.cli.progress import clock
from headrace.cli.terminal import console, shown
from headrace.estimating import Estimate, Share
from headrace.lengths import Range
from headrace.money import shown as usd

COLUMNS = ("model", "requests", "prompt", "completion", "cost", "at least", "at most")


def show(made: Estimate) -> None:
    """Print the estimate."""
    table = Table(*COLUMNS, box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, share in sorted(made.models.items()):
        table.add_row(*_row(shown(name), share))
    if len(made.models) > 1:
        table.add_section()
        table.add_row(*_row("all", made.total))
    console.print(table)
    for line in _notes(made):
        console.print(line)


def _row(name: str, share: Share) -> tuple[str, ...]:
    about = "" if share.exact else "~"
    return (
        name,
        f"{share.requests:,}",
        f"{about}{share.prompt_tokens:,}",
        f"~{share.completion_tokens.expected:,}",
        *_cost(share.cost),
    )


def _cost(cost: Range | None) -> tuple[str, ...]:
    return ("unknown", "", "") if cost is None else (usd(cost.expected), usd(cost.low), usd(cost.high))


def _notes(made: Estimate) -> list[str]:
    total, notes = made.total, []
    if made.duration:
        limited = f"{made.duration.limit} of quota {shown(made.duration.quota)}"
        notes.append(f"duration: {clock(made.duration.seconds)} at least, by {limited}")
    else:
        notes.append("duration: unknown, since no limit tells")
    if total.unpriced_requests:
        unpriced = f"{total.unpriced_requests:,} of {total.requests:,} requests"
        notes.append(f"no price is known for {unpriced}, {total.unpriced_tokens:,} tokens: `headrace prices`")
    if not total.exact:
        notes.append("prompts are estimated from their characters; the extra `counting` counts what it can")
    if not total.learned:
        notes.append("completions are guessed where no earlier call is known; `max_tokens` bounds them")
    if made.refused:
        notes.append(f"lines that would be refused: {made.refused:,}")
    return notes
