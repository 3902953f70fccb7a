"""`headrace reconcile`: whether a provider's bill is what the ledger says."""

from pathlib import Path
from typing import Annotated

import orjson
import typer
from sqlmodel import Session

from headrace.cli.conversion import SHOWN_FAULTS, BadInput
from headrace.cli.database import current
from headrace.cli.moments import moment
from headrace.cli.options import DataDir
from headrace.cli.reconcile_table import as_object, show
from headrace.clock import now
from headrace.errors import ConfigurationError
from headrace.periods import DAY
from headrace.pricing import Price
from headrace.provider_bill import BadBill, Bill, Columns, read_bill
from headrace.reconciling import Ours, reconcile
from headrace.store import prices
from headrace.store.reports import Row, Wanted, report

BillArgument = Annotated[
    Path,
    typer.Argument(
        metavar="BILL",
        help="OpenAI's export of costs as CSV, JSON that GET /organization/costs answered, or another CSV.",
        show_default=False,
    ),
]
Provider = Annotated[
    str | None, typer.Option("--provider", help="Whose bill it is, if there are several.", show_default=False)
]
DateColumn = Annotated[str | None, typer.Option("--date-column", help="Of a CSV.", show_default=False)]
ModelColumn = Annotated[str | None, typer.Option("--model-column", help="Of a CSV.", show_default=False)]
AmountColumn = Annotated[
    str | None, typer.Option("--amount-column", help="Of a CSV; in USD.", show_default=False)
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="The first day to compare; the bill's, if not given.", show_default=False),
]
Until = Annotated[
    str | None,
    typer.Option("--until", help="The day before which to stop; after the bill's last.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]


def reconcile_command(
    bill: BillArgument,
    provider: Provider = None,
    date_column: DateColumn = None,
    model_column: ModelColumn = None,
    amount_column: AmountColumn = None,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Compare a provider's BILL with the ledger, by day (UTC) and model.

    Exit status: 1 if they differ by more than what is in doubt, or if unpriced calls leave that open.
    """
    charged = _between(_read(bill, Columns(date_column, model_column, amount_column)), since, until)
    with current(data_dir) as database, database.read() as session:
        ours = _ours(session, charged, provider)
    found = reconcile(ours, charged.charges)
    if as_json:
        typer.echo(orjson.dumps(as_object(found), option=orjson.OPT_INDENT_2))
    else:
        show(found)
    raise typer.Exit(0 if found.verdict.is_good else 1)


def _read(path: Path, columns: Columns) -> Bill:
    """Raises BadInput with a line for each fault, as of any input."""
    try:
        return read_bill(path.read_bytes(), columns)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except BadBill as error:
        lines = [f"{path}:{where}: {what}" for where, what in error.faults]
        more = len(lines) - SHOWN_FAULTS
        raise BadInput("\n".join(lines[:SHOWN_FAULTS] + [f"and {more} more"] * (more > 0))) from error


def _between(bill: Bill, since: str | None, until: str | None) -> Bill:
    """What there is of it in these days; days without a charge count too."""
    try:
        start = bill.start if since is None else moment(since, now()) // DAY * DAY
        end = bill.end if until is None else -(-moment(until, now()) // DAY) * DAY
    except ValueError as error:
        raise ConfigurationError(f"--since and --until: {error}") from error
    if start >= end:
        raise ConfigurationError(
            "there is no day to compare: --since is not before --until or the bill's end"
        )
    return Bill([charge for charge in bill.charges if start <= charge.day < end], start, end)


def _ours(session: Session, bill: Bill, provider: str | None) -> list[Ours]:
    """Calls of all keys to one provider. Those of a release that knew no prices may have gone to any."""
    rows = report(session, Wanted(bill.start, bill.end), ("day", "price_id", "model"))
    known = prices.known(session, {str(row.group["price_id"]) for row in rows if row.group["price_id"]})
    found = [(known.get(str(row.group["price_id"])), row) for row in rows]
    providers = sorted({price.provider for price, _ in found if price})
    if provider is None and len(providers) > 1:
        raise ConfigurationError(
            f"calls went to {', '.join(providers)}: say whose bill it is with --provider"
        )
    if provider is not None and providers and provider not in providers:
        raise ConfigurationError(f"in these days no call went to {provider!r}, but to {', '.join(providers)}")
    return [_one(price, row) for price, row in found if price is None or provider in (None, price.provider)]


def _one(price: Price | None, row: Row) -> Ours:
    sums = row.sums
    model = price.model if price else str(row.group["model"])
    day = int(row.group["day"] or 0)
    return Ours(day, model, sums.calls, sums.cost_nanos, sums.doubtful_nanos, sums.unpriced_calls)
