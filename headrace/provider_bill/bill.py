"""Charges by day and line item, and how they are collected together with all that is wrong."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from headrace.periods import DAY
from headrace.provider_bill.line_items import model_of

T = TypeVar("T")


class Charge(NamedTuple):
    """USD for a line item on a day (Unix seconds of its beginning). `model` is None if it is for none."""

    day: int
    item: str
    model: str | None
    amount: Decimal


class Bill(NamedTuple):
    """All charges, from the day `start` to before the day `end`: there may be days without a charge."""

    charges: list[Charge]
    start: int
    end: int


class BadBill(ValueError):
    """It cannot be read. `faults`: where (a line, or a place in JSON), and what is wrong there."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {what}" for where, what in faults))
        self.faults = faults


class Collected:
    """Charges and faults so far."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []
        self._charges: list[Charge] = []
        self._days: set[int] = set()

    def parsed(self, where: str, name: str, parse: Callable[[Any], T], value: Any) -> T | None:
        """What `parse` makes of the field `name`; a fault if that raises ValueError."""
        try:
            return parse(value)
        except ValueError as error:
            self.fault(where, f"{name} {error}")
            return None

    def fault(self, where: str, what: str) -> None:
        """Something is wrong."""
        self.faults.append((where, what))

    def covers(self, day: int) -> None:
        """The bill has this day, with charges or without."""
        self._days.add(day)

    def charge(self, day: int, item: str, amount: Decimal, *, is_model: bool = False) -> None:
        """`is_model`: an item that is no line item of OpenAI's form is the name of a model."""
        item = item.strip()
        model = model_of(item) or (item if is_model and item else None)
        self.covers(day)
        self._charges.append(Charge(day, item, model, amount))

    def bill(self) -> Bill:
        """Raises BadBill if there are faults, or no days."""
        if not self.faults and not self._days:
            self.fault("1", "there is no charge in it")
        if self.faults:
            raise BadBill(self.faults)
        return Bill(self._charges, min(self._days), max(self._days) + DAY)
