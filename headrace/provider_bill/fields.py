"""The fields of a charge. Each raises ValueError, whose message says what the value is instead."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from headrace.exact_json import Number
from headrace.periods import DAY

USD = "usd"
MOST_USD = 10**9
FINEST_USD = Decimal("1e-15")
LATEST = 253_370_764_800  # the year 9999
DATE_DIGITS = 8  # 20261101 is a date; Unix seconds have more digits


def day_of(value: Any) -> int:
    """The beginning of the day (UTC) of Unix seconds or of an ISO 8601 time, in UTC if it names no zone."""
    text = str(value).strip()
    try:
        seconds = _seconds(text)
    except (ValueError, OverflowError, InvalidOperation) as error:
        raise ValueError(f"{value!r} is neither Unix seconds nor an ISO 8601 time") from error
    if not 0 <= seconds < LATEST:
        raise ValueError(f"{value!r} is no time in seconds")
    return seconds // DAY * DAY


def usd_of(value: Any) -> Decimal:
    """A number of JSON, or a decimal as text in any form (`1.5e-7`, `0E-6176`)."""
    text = value.text if isinstance(value, Number) else value
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise ValueError(f"{value!r} is no decimal number")
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no decimal number") from error
    if not amount.is_finite() or abs(amount) > MOST_USD:
        raise ValueError(f"{value!r} is no amount of USD")
    return amount.quantize(FINEST_USD)


def check_currency(value: Any) -> None:
    """Nothing is converted."""
    if str(value).strip().lower() not in ("", USD):
        raise ValueError(f"{value!r} is not {USD!r}: costs are known in USD alone")


def _seconds(text: str) -> int:
    if text.replace(".", "", 1).isdigit() and len(text) != DATE_DIGITS:
        return int(Decimal(text))
    given = datetime.fromisoformat(text)
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp())
