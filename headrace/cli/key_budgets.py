"""`headrace keys budget`: what a key may spend, in the database itself."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table
from sqlmodel import Session

from headrace.cli.database import current
from headrace.cli.options import NONE, DataDir, KeyId, usd_or_none
from headrace.cli.terminal import console
from headrace.clock import now
from headrace.errors import NotFound
from headrace.money import nanos, shown, usd_of
from headrace.patience import patiently
from headrace.periods import ends
from headrace.states import Period
from headrace.store import budgets, keys
from headrace.store.budgets import Standing


def _amount(name: str, per: str) -> object:
    return typer.Option(
        f"--{name}",
        metavar=f"USD|{NONE}",
        callback=usd_or_none,
        help=f"What it may spend {per}.",
        show_default=False,
    )


Total = Annotated[str | None, _amount("total", "in all")]
Day = Annotated[str | None, _amount("day", "on each day of UTC")]
Month = Annotated[str | None, _amount("month", "in each month of UTC")]


def budget(
    key_id: KeyId, total: Total = None, day: Day = None, month: Month = None, data_dir: DataDir = None
) -> None:
    """Show what a key may spend and has spent; with options, change it. It counts for all that the key runs.

    What it spent in the period before counts; with more room, held requests go on in seconds.
    """
    told = {Period.TOTAL: total, Period.DAY: day, Period.MONTH: month}
    changes = {period: usd for period, usd in told.items() if usd is not None}

    def change(session: Session) -> list[Standing]:
        if not keys.is_live(session, key_id):
            raise NotFound(f"there is no live key {key_id}")
        _change(session, key_id, changes)
        return budgets.standings(session, [key_id], now()).get(key_id, [])

    with current(data_dir) as database:
        found = patiently(database, change)
    if found:
        console.print(_table(found))
    else:
        typer.echo(f"{key_id} has no budget")


def _change(session: Session, key_id: str, changes: Mapping[Period, str]) -> None:
    for period, usd in changes.items():
        limit = None if usd == NONE else nanos(usd_of(usd))
        budgets.limit_key(session, key_id, period, limit, now())


def _table(found: list[Standing]) -> Table:
    table = Table("period", "limit", "spent", "reserved", "left", "begins anew", "", box=SIMPLE)
    for one in found:
        anew = ends(one.period, one.begins)
        table.add_row(
            one.period,
            shown(one.limit_nanos),
            shown(one.spent_nanos),
            shown(one.reserved_nanos),
            shown(one.remaining_nanos),
            f"{datetime.fromtimestamp(anew, UTC):%Y-%m-%d %H:%M} UTC" if anew else "",
            "used up" if one.is_closed else "",
        )
    return table
