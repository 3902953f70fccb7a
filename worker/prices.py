"""The price that calls depart at, written down before the first of them."""

from headrace.clock import now
from headrace.config import Config, Route
from headrace.db import Database
from headrace.pricing import Price
from headrace.pricing.book import PriceBook
from headrace.store.prices import remember


class Prices:
    """What is in force for each lane. Raises SQLAlchemyError while a new price cannot be written."""

    def __init__(self, db: Database, config: Config) -> None:
        self._db = db
        self._book = PriceBook(config)
        self._written: set[str] = set()

    def now(self, lane: str, route: Route) -> Price:
        """The price of a call that departs now."""
        price = self._book.price(lane, route, now())
        if price.id not in self._written:
            with self._db.begin() as session:
                remember(session, price)
            self._written.add(price.id)
        return price
