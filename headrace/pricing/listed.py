"""Prices of the public list in our terms. What cannot be said in them is left unknown, never guessed."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from headrace.pricing.price import STANDARD, Rates, Tier
from headrace.pricing.public_list import VERSION, Entry, entry, prices_at

UNITS = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "audio_input": "input_audio_mtok",
    "output": "output_mtok",
    "audio_output": "output_audio_mtok",
}
"""The list's name of each of our rates."""

REQUESTS = "requests_kcount"
APART = frozenset(
    {
        "web_searches_kcount",
        "social_searches_kcount",
        "storage_searches_kcount",
        "code_executions_kcount",
        "cache_write_1h_mtok",  # no answer that we read says how long a cache is kept
        "cache_audio_read_mtok",  # nor what of a cache was sound: `Rates.cost` does not know such calls
        "cache_audio_write_mtok",
    }
)
"""What is billed beside the tokens of a call, and is not counted."""


class Terms(NamedTuple):
    """A price without its name."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    per_request: Decimal = Decimal()


class Listed(NamedTuple):
    """A price of the list, and where it stands there."""

    terms: Terms
    service_tiers: tuple[tuple[str, Decimal], ...]
    source: str


def listed_price(base_url: str, model: str, at: datetime) -> Listed | None:
    """What the provider at this URL asks for the model; None if the list does not say so in tokens."""
    found = entry(base_url, model)
    if found is None:
        return None
    amounts = prices_at(found, at)
    if not amounts and found.model.id.endswith(":free"):
        terms: Terms | None = Terms(Rates(input=Decimal(), output=Decimal()))
    else:
        terms = terms_of(amounts)
    if terms is None:
        return None
    source = f"genai-prices {VERSION} ({found.provider}/{found.model.id})"
    return Listed(terms, _service_tiers(found, at, terms), source)


def terms_of(amounts: Mapping[str, Any]) -> Terms | None:
    """Amounts by the library's names, in our terms; None where another unit decides about the cost."""
    if not any(unit in amounts for unit in UNITS.values()):
        return None
    if any(_differs(unit, amounts) for unit in amounts):
        return None
    per_request = amounts.get(REQUESTS, Decimal())
    if not isinstance(per_request, Decimal):
        return None
    starts = sorted({tier.start for price in amounts.values() for tier in getattr(price, "tiers", ())})
    tiers = tuple(Tier(start, _rates(amounts, start)) for start in starts)
    return Terms(_rates(amounts, None), tiers, per_request / 1000)


def _differs(unit: str, amounts: Mapping[str, Any]) -> bool:
    """Whether it is a unit that we do not count, at another price than what we count it as."""
    if unit in APART or unit == REQUESTS or unit in UNITS.values():
        return False
    if unit.startswith("cache_"):
        counted = UNITS["cached_input" if "_read_" in unit else "cache_write"]
    else:
        counted = UNITS["output" if unit.startswith("output_") else "input"]
    return not unit.endswith("_mtok") or amounts[unit] != amounts.get(counted)


def _rates(amounts: Mapping[str, Any], start: int | None) -> Rates:
    """Those of calls longer than `start`; None is any length."""
    given = {name: amounts[unit] for name, unit in UNITS.items() if unit in amounts}
    return Rates(**{name: _at(price, start) for name, price in given.items()})


def _at(price: Any, start: int | None) -> Decimal:
    if isinstance(price, Decimal):
        return price
    reached = [tier for tier in price.tiers if start is not None and tier.start <= start]
    amount: Decimal = reached[-1].price if reached else price.base
    return amount


def _service_tiers(found: Entry, at: datetime, terms: Terms) -> tuple[tuple[str, Decimal], ...]:
    """Those in force that cost a multiple of the price. Batch prices are for no call of ours."""
    variants = (found.model.price_variants or ()) if found.is_own else ()
    names = {
        variant.when["service_tier"]
        for variant in variants
        if set(variant.when) == {"service_tier"}
        and (variant.constraint is None or variant.constraint.active(at))
    }
    asked = [(name, prices_at(found, at, {"service_tier": name})) for name in sorted(names - STANDARD)]
    factors = [(name, _factor(terms, terms_of(amounts))) for name, amounts in asked]
    return tuple((name, factor) for name, factor in factors if factor is not None)


def _factor(terms: Terms, others: Terms | None) -> Decimal | None:
    """What makes the one of the other, exactly; None if nothing does."""
    if others is None or [tier.above for tier in terms.tiers] != [tier.above for tier in others.tiers]:
        return None
    pairs = list(zip(_amounts(terms), _amounts(others), strict=True))
    factor = next((theirs / ours for ours, theirs in pairs if ours and theirs is not None), None)
    if factor is None or any(theirs != (None if ours is None else ours * factor) for ours, theirs in pairs):
        return None
    return factor


def _amounts(terms: Terms) -> list[Decimal | None]:
    each = (terms.rates, *(tier.rates for tier in terms.tiers))
    return [getattr(rates, field.name) for rates in each for field in fields(Rates)] + [terms.per_request]
