"""What calls cost, in whole nanos (1e-9 USD). One rounding for each call, of an exact sum."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from headrace.simulator.call import DEFAULT_TIER, TIERS, Usage

NANOS_FOR_A_MILLIONTH = 1000  # a dollar for a million tokens is so many nanos for one of them
NANOS = 10**9
REQUESTS = "requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD for a million tokens, and for each request. What has no rate of its own costs like other text.

    `discount` is a share of everything; `flex` and `priority` are the factors of these tiers of service.
    """

    input: Decimal
    cached: Decimal
    output: Decimal
    cache_write: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    request: Decimal = Decimal()
    discount: Decimal = Decimal()
    flex: Decimal = Decimal(1)
    priority: Decimal = Decimal(1)


POSITIONS = ("input", "cached", "output")
EXTRAS = tuple(field.name for field in fields(Price) if field.name not in POSITIONS)


class Cost(NamedTuple):
    """What one call costs. `items` are its parts by line item of the bill, and add up to `nanos`."""

    nanos: int
    items: dict[str, int]


class Tariff:
    """The rates of one model in one tier of service, as whole numbers above one denominator."""

    def __init__(self, rates: Mapping[str, Fraction]) -> None:
        """`rates` are nanos for a token, or for a request, by line item."""
        self._denominator = lcm(*(rate.denominator for rate in rates.values()))
        self._rates = {item: int(rate * self._denominator) for item, rate in rates.items()}

    def cost(self, usage: Usage) -> Cost:
        """Rounded half to even. Each part is rounded down, and the largest gets what is left."""
        parts = {item: count * self._rates[item] for item, count in _units(usage) if count}
        if self._rates[REQUESTS]:
            parts[REQUESTS] = self._rates[REQUESTS]
        nanos = round(Fraction(sum(parts.values()), self._denominator))
        items = {item: part // self._denominator for item, part in parts.items()}
        if items:
            items[max(parts, key=parts.__getitem__)] += nanos - sum(items.values())
        return Cost(nanos, items)


class PriceList:
    """The prices of models, by name and tier of service."""

    def __init__(self, prices: Iterable[tuple[str, str]]) -> None:
        """`prices` are as in the configuration. Raises ValueError."""
        parsed = {model: parse_price(text) for model, text in prices}
        self._tariffs = {
            (model, tier): tariff(price, tier) for model, price in parsed.items() for tier in TIERS
        }

    def cost(self, model: str, tier: str, usage: Usage) -> Cost | None:
        """What a call costs; None for a model without a price."""
        found = self._tariffs.get((model, tier))
        return None if found is None else found.cost(usage)


def parse_price(text: str) -> Price:
    """`0.15,0.075,0.6,cache_write=0.2`: USD of input, cached input and output, then any extras by name.

    Raises ValueError.
    """
    given = text.split(",")
    named = [part.partition("=")[::2] for part in given[len(POSITIONS) :]]
    amounts = [*zip(POSITIONS, given, strict=False), *named]
    if len(given) < len(POSITIONS) or len({name for name, _ in amounts}) < len(amounts):
        raise ValueError(f"a price is INPUT,CACHED,OUTPUT and each extra once, not {text!r}")
    unknown = [name for name, _ in named if name not in EXTRAS]
    if unknown:
        raise ValueError(f"a price has no {unknown[0]!r}; its extras are {', '.join(EXTRAS)}")
    price = Price(**{name: _amount(amount, text) for name, amount in amounts})
    if price.discount > 1:
        raise ValueError(f"a discount must lie in 0..1, in the price {text!r}")
    return price


def tariff(price: Price, tier: str = DEFAULT_TIER) -> Tariff:
    """The price as calls of this tier pay it."""
    factor = Fraction({"flex": price.flex, "priority": price.priority}.get(tier, 1)) * (
        1 - Fraction(price.discount)
    )
    rates = {
        "input": price.input,
        "cached input": price.cached,
        "cache writes": price.input if price.cache_write is None else price.cache_write,
        "audio input": price.input if price.audio_input is None else price.audio_input,
        "output": price.output,
        "audio output": price.output if price.audio_output is None else price.audio_output,
    }
    of_tokens = {item: Fraction(rate) * factor * NANOS_FOR_A_MILLIONTH for item, rate in rates.items()}
    return Tariff(of_tokens | {REQUESTS: Fraction(price.request) * factor * NANOS})


def _units(usage: Usage) -> tuple[tuple[str, int], ...]:
    """Tokens by line item; those with an item of their own are left out of `input` and `output`."""
    prompt, cached, completion, _, written, heard, said = usage
    return (
        ("input", prompt - cached - written - heard),
        ("cached input", cached),
        ("cache writes", written),
        ("audio input", heard),
        ("output", completion - said),
        ("audio output", said),
    )


def _amount(text: str, price: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no amount, in the price {price!r}") from error
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{text!r} is no amount to pay, in the price {price!r}")
    return amount
