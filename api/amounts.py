"""Amounts of USD in requests: text or a number, to the letter."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from headrace.exact_json import Number
from headrace.money import AMOUNT, AMOUNT_RULE, usd_of

NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


def _usd(value: Any) -> Decimal:
    try:
        return usd_of(value if isinstance(value, str) else _plain(value))
    except ValueError as error:
        raise PydanticCustomError("no_amount", AMOUNT_RULE) from error


def _plain(value: Any) -> str:
    """A number of JSON without exponent, and without zeros that say nothing. Raises ValueError."""
    text = value.text if isinstance(value, Number) else str(value)
    if not isinstance(value, (int, Number)) or isinstance(value, bool) or not NUMBER.fullmatch(text):
        raise ValueError(AMOUNT_RULE)
    whole, _, decimals = f"{Decimal(text) or 0:f}".partition(".")  # -0 is 0
    return ".".join(filter(None, (whole, decimals.rstrip("0"))))


Usd = Annotated[
    Decimal,
    PlainValidator(_usd),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{AMOUNT}$"},
                {"type": "number", "minimum": 0, "exclusiveMaximum": 1_000_000_000},
            ],
            "description": "USD, exactly: at most 9 decimals",
        }
    ),
]
