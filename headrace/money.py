"""Amounts of money: Decimal USD where people see them, integers of 1e-9 USD (nanos) where they are kept."""

import re
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

NANOS = 10**9
MOST_NANOS = 9 * 10**18  # what a column of 64 bits holds, and nobody has
SLIVER = Decimal(
    "1e-9"
)  # of a nano: what a factor such as 5/3 leaves over is no half, and nothing to round up
AMOUNT_RULE = "it must be an amount of USD below 1000000000 with at most 9 decimals, such as 25 or 0.50"
AMOUNT = r"[0-9]{1,9}(\.[0-9]{1,9})?"


def usd_of(text: str) -> Decimal:
    """USD as people write them, exactly. Raises ValueError."""
    if not re.fullmatch(AMOUNT, text):
        raise ValueError(AMOUNT_RULE)
    return Decimal(text)


def nanos(usd: Decimal, *, up: bool = False) -> int:
    """To the nearest nano, or the next one above; no more than can be kept."""
    exactly = min(usd * NANOS, Decimal(MOST_NANOS)).quantize(SLIVER)
    return int(exactly.to_integral_value(ROUND_CEILING if up else ROUND_HALF_EVEN))


def usd(amount: int) -> Decimal:
    """Exactly so many nanos."""
    return Decimal(amount).scaleb(-9)


def exact(amount: int) -> str:
    """USD as the API writes them: every digit there is, and no exponent."""
    return plain(usd(amount))


def plain(amount: Decimal) -> str:
    """A decimal with every digit that says something, and no exponent."""
    return f"{amount.normalize():f}"


def exact_or_none(amount: int | None) -> str | None:
    """The same, of what may not be known."""
    return None if amount is None else exact(amount)


def shown(amount: int) -> str:
    """USD for people: cents, and of less than a dollar four digits that say something."""
    value = usd(amount)
    if abs(value) >= 1 or not value:
        return f"${value:,.2f}"
    digits = max(4, 3 - value.adjusted())
    return f"${value:.{min(digits, 9)}f}"
