"""Which price is in force for a call: the configuration's, else the public list's, else none."""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

from headrace.config import Config, Route
from headrace.price_tables import PriceTable, in_force
from headrace.pricing.listed import Listed, Terms, listed_price
from headrace.pricing.price import Price, Rates

MINUTE = 60
MOST_LANES = 10_000
UNKNOWN = Listed(Terms(Rates()), (), "")


class PriceBook:
    """The prices of a configuration. May be asked for every call: it looks up once a minute and lane."""

    def __init__(self, config: Config) -> None:
        self._tables: dict[str, list[PriceTable]] = defaultdict(list)
        for table in config.prices.values():
            self._tables[table.lane].append(table)
        self._seen: dict[tuple[str, str, str], tuple[int, Price]] = {}

    def price(self, lane: str, route: Route, at: datetime) -> Price:
        """What a call of this lane costs that leaves at `at` for `route`; with no rates if nobody knows.

        Prices change at whole minutes: one that begins within a minute is in force from the next.
        """
        minute = int(at.timestamp()) // MINUTE
        key = lane, route.provider.name, route.model
        seen = self._seen.get(key)
        if seen is not None and seen[0] == minute:
            return seen[1]
        price = self._look_up(lane, route, datetime.fromtimestamp(minute * MINUTE, UTC))
        if seen is not None and seen[1] == price:
            price = seen[1]  # its id and terms are worked out already
        elif len(self._seen) >= MOST_LANES:
            self._seen.clear()
        self._seen[key] = minute, price
        return price

    def _look_up(self, lane: str, route: Route, at: datetime) -> Price:
        table = in_force(self._tables.get(lane, ()), at)
        rates = table.rates() if table else {}
        listed = None if rates else listed_price(route.provider.base_url, route.model, at)
        base = _price(route, listed or UNKNOWN)
        if table is None:
            return base
        return Price(
            provider=base.provider,
            model=base.model,
            source=_source(table, base.source),
            rates=Rates(**rates) if rates else base.rates,
            tiers=base.tiers,
            per_request=base.per_request if table.per_request is None else table.per_request,
            discount=table.discount,
            service_tiers=_sorted({**dict(base.service_tiers), **table.service_tiers}),
            note=table.note,
        )


def _price(route: Route, listed: Listed) -> Price:
    rates, tiers, per_request = listed.terms
    return Price(
        provider=route.provider.name,
        model=route.model,
        source=listed.source,
        rates=rates,
        tiers=tiers,
        per_request=per_request,
        service_tiers=listed.service_tiers,
    )


def _source(table: PriceTable, listed: str) -> str:
    since = ""
    if table.since:
        form = "%Y-%m-%d" if table.since.time() == datetime.min.time() else "%Y-%m-%d %H:%M"
        since = f" since {table.since.strftime(form)}"
    return f"headrace.toml [prices.{table.name}]{since}" + (f" on {listed}" if listed else "")


def _sorted(factors: dict[str, Decimal]) -> tuple[tuple[str, Decimal], ...]:
    return tuple(sorted(factors.items()))
