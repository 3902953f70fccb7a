"""`headrace prices`: what would be charged for each model, and where that comes from."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE
from rich.table import Table

from headrace.cli.options import settings_here
from headrace.cli.terminal import console, shown
from headrace.config import Config, Route, load_config
from headrace.errors import ConfigurationError
from headrace.money import plain
from headrace.pricing import Price
from headrace.pricing.book import PriceBook

ADVICE = "unknown prices count in no cost and no budget: give them as [prices.NAME] in headrace.toml"
FACTOR_DIGITS = 4

Models = Annotated[
    list[str] | None,
    typer.Argument(metavar="MODEL", help="All that are configured, unless named.", show_default=False),
]
At = Annotated[
    datetime | None,
    typer.Option("--at", help="Prices in force then, in UTC; now, if not given.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


def prices(models: Models = None, at: At = None, as_json: Json = False) -> None:
    """List what a million tokens of each model costs in USD, and where that comes from.

    Nothing is asked over the network: prices are those of headrace.toml, else of the installed genai-prices.
    """
    config = load_config(settings_here(None), with_keys=False)
    moment = (at or datetime.now(UTC)).replace(tzinfo=UTC)
    book = PriceBook(config)
    found = [(lane, book.price(lane, route, moment)) for lane, route in _routes(config, models)]
    if as_json:
        for lane, price in found:
            typer.echo(orjson.dumps(_object(lane, price)))
        return
    console.print(_table(found))
    unknown = [lane for lane, price in found if not price.is_known]
    if unknown:
        typer.echo(f"{len(unknown)} of {len(found)} unknown; {ADVICE}")


def _routes(config: Config, models: Sequence[str] | None) -> list[tuple[str, Route]]:
    """Raises ConfigurationError where there is nothing to list."""
    lanes = models or list(config.models) or sorted({table.lane for table in config.prices.values()})
    if not lanes:
        raise ConfigurationError("no model is configured: name some, as in `headrace prices gpt-4o-mini`")
    routes = [(lane, config.route(lane)) for lane in dict.fromkeys(lanes)]
    absent = [lane for lane, route in routes if route is None]
    if absent:
        raise ConfigurationError(f"not in [models] of the configuration: {', '.join(absent)}")
    return [(lane, route) for lane, route in routes if route is not None]


def _object(lane: str, price: Price) -> dict[str, Any]:
    """Amounts as text: no digit is lost."""
    terms = json.loads(price.terms)
    named = {"model": lane, "provider": price.provider, "model_at_provider": price.model}
    return {**named, "known": price.is_known, "source": price.source, "id": price.id, **terms}


def _table(found: Sequence[tuple[str, Price]]) -> Table:
    columns = (
        "model",
        "provider",
        "input",
        "cached",
        "output",
        "a request",
        "discount",
        "tiers",
        "source",
        "note",
    )
    table = Table(*columns, box=SIMPLE)
    for column in table.columns[2:7]:
        column.justify = "right"
    for lane, price in found:
        table.add_row(
            shown(lane), shown(price.provider), *_amounts(price), shown(price.source), shown(price.note)
        )
    return table


def _amounts(price: Price) -> list[str]:
    """From input to tiers."""
    rates = price.rates
    return [
        _usd(rates.input),
        _usd(rates.input if rates.cached_input is None else rates.cached_input),
        _usd(rates.output),
        _usd(price.per_request) if price.per_request else "",
        f"{plain(price.discount * 100)} %" if price.discount else "",
        ", ".join(_tiers(price)),
    ]


def _tiers(price: Price) -> list[str]:
    longer = [
        f"above {tier.above:,}: {_usd(tier.rates.input)} / {_usd(tier.rates.output)}" for tier in price.tiers
    ]
    return longer + [
        f"{shown(name)} x {plain(round(factor, FACTOR_DIGITS))}" for name, factor in price.service_tiers
    ]


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"${plain(amount)}"
