"""A bill as CSV: OpenAI's export, or any other whose columns are named."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from headrace.provider_bill.bill import Collected
from headrace.provider_bill.fields import check_currency, day_of, usd_of

DATES = ("start_time", "start_time_iso", "date")
ITEMS = ("line_item",)
AMOUNTS = ("amount_value", "amount")
CURRENCIES = ("amount_currency", "currency")


class Columns(NamedTuple):
    """Columns that are not called as in OpenAI's export."""

    date: str | None = None
    model: str | None = None
    amount: str | None = None


class _Header(NamedTuple):
    """The columns' names, and which of them there are."""

    names: Sequence[str]
    date: int
    amount: int
    item: int | None
    currency: int | None
    has_models: bool


def read_rows(text: str, columns: Columns, into: Collected) -> None:
    """All charges of it, and all faults with the numbers of their lines."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(rows, []), columns, into)
        if header is None:
            return
        for row in rows:
            if any(cell.strip() for cell in row):
                _read_row(row, str(rows.line_num), header, into)
    except csv.Error as error:
        into.fault(str(rows.line_num), f"this is no CSV: {error}")


def _read_row(row: Sequence[str], where: str, header: _Header, into: Collected) -> None:
    names = header.names
    if len(row) != len(names):
        into.fault(where, f"it has {len(row)} cells, and the header has {len(names)}")
        return
    day = into.parsed(where, names[header.date], day_of, row[header.date])
    amount = into.parsed(where, names[header.amount], usd_of, row[header.amount])
    if header.currency is not None:
        into.parsed(where, names[header.currency], check_currency, row[header.currency])
    if day is not None and amount is not None:
        item = "" if header.item is None else row[header.item]
        into.charge(day, item, amount, is_model=header.has_models)


def _header(first: Sequence[str], columns: Columns, into: Collected) -> _Header | None:
    """Names of columns are the same in any case."""
    names = [name.strip().lower() for name in first]

    def column(usual: Sequence[str], given: str | None, option: str = "") -> int | None:
        wanted = [given.strip().lower()] if given else usual
        found = next((names.index(name) for name in wanted if name in names), None)
        if found is None and option:
            there = ", ".join(names) or "none"
            into.fault("1", f"there is no column {wanted[0]!r} (there are: {there}); {option} names another")
        return found

    date = column(DATES, columns.date, "--date-column")
    amount = column(AMOUNTS, columns.amount, "--amount-column")
    item = column(ITEMS, columns.model, "--model-column" if columns.model else "")
    if date is None or amount is None or into.faults:
        return None
    return _Header(names, date, amount, item, column(CURRENCIES, None), columns.model is not None)
