"""`headrace budget`: what a batch may spend."""

from typing import Annotated

import typer

from headrace.cli.options import DEFAULT_URL, NONE, BatchArgument, DataDir, Url, usd_or_none
from headrace.cli.remote import connected
from headrace.client import BudgetView
from headrace.money import shown

Amount = Annotated[
    str | None,
    typer.Argument(
        metavar=f"[USD|{NONE}]",
        callback=usd_or_none,
        help="What it may spend in all from now on, what it spent already included.",
        show_default=False,
    ),
]


def budget(
    batch_id: BatchArgument, usd: Amount = None, url: Url = DEFAULT_URL, data_dir: DataDir = None
) -> None:
    """Show what a batch may spend and has spent; or change it: with more, held requests go on in seconds."""
    with connected(url, data_dir) as client:
        if usd is not None:
            client.set_budget(batch_id, None if usd == NONE else usd)
        found = client.budget(batch_id)
    typer.echo(f"{batch_id}: {_described(found)}")


def _described(found: BudgetView) -> str:
    spent = f"{shown(found.spent_nanos)} spent"
    if found.limit_nanos is None:
        return f"{spent}, and no budget"
    stands = (
        f"{spent} of {shown(found.limit_nanos)}, {shown(found.reserved_nanos)} reserved for calls under way"
    )
    return f"{stands}; used up: another call does not fit" if found.is_used_up else stands
