"""CSV (RFC 4180) that spreadsheets take for what it is: no cell of it is a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from headrace.money import plain

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
QUOTE = "'"

Cell = str | int | Decimal | None


def as_csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8, lines that end in CR LF. Decimals have every digit and no exponent; None is an empty cell.

    Text that a spreadsheet could run gets an apostrophe before it; numbers stay as they are.
    """
    text = io.StringIO()
    written = csv.writer(text, lineterminator="\r\n")
    written.writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue().encode(errors="replace")


def _safe(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, int):
        return str(cell)
    return QUOTE + cell if cell.startswith(FORMULA_STARTS) else cell
