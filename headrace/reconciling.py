"""A provider's bill against our ledger, by day and model: what is the same, and what is not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import NamedTuple

from headrace.money import usd
from headrace.provider_bill import Charge, without_date

ALL = "all models"
NO_ITEM = "no line item"
HALF_A_NANO = Decimal("5e-10")


class Verdict(StrEnum):
    """From the best to the worst."""

    AGREES = "agrees"
    IN_DOUBT = "within what is in doubt"
    UNKNOWN = "unknown: unpriced calls"
    DIFFERS = "differs"

    @property
    def is_good(self) -> bool:
        """Whether the bill can be right as far as we know."""
        return self in (Verdict.AGREES, Verdict.IN_DOUBT)


class Ours(NamedTuple):
    """Calls of a day, by the model's name at the provider. Amounts in nanos."""

    day: int
    model: str
    calls: int
    cost_nanos: int
    doubtful_nanos: int
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class Line:
    """Both sides, in USD. `day` is None for all days; `is_model` False for what no call of ours can be.

    `doubtful` is what calls can have cost at most whose cost is in doubt.
    """

    day: int | None
    name: str
    is_model: bool = True
    calls: int = 0
    ours: Decimal = Decimal()
    doubtful: Decimal = Decimal()
    unpriced_calls: int = 0
    theirs: Decimal = Decimal()

    def plus(self, other: "Line") -> "Line":
        """Both together, under the name of this one."""
        return Line(
            self.day,
            self.name,
            self.is_model,
            self.calls + other.calls,
            self.ours + other.ours,
            self.doubtful + other.doubtful,
            self.unpriced_calls + other.unpriced_calls,
            self.theirs + other.theirs,
        )

    @property
    def difference(self) -> Decimal:
        """What they charge beyond our exact cost."""
        return self.theirs - self.ours

    @property
    def verdict(self) -> Verdict:
        """Each call is rounded to a nano here, so that half a nano for each makes no difference."""
        rounding = max(self.calls, 1) * HALF_A_NANO
        if self.difference < -rounding:
            return Verdict.DIFFERS
        if self.unpriced_calls:
            return Verdict.UNKNOWN
        if self.difference <= rounding:
            return Verdict.AGREES
        return Verdict.IN_DOUBT if self.difference <= self.doubtful + rounding else Verdict.DIFFERS


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """`lines` by day, then name; `sums` the same over all days; `total` all of it."""

    lines: Sequence[Line]
    sums: Sequence[Line]
    total: Line

    @property
    def verdict(self) -> Verdict:
        """The worst of the models': what one has too much does not make up for another."""
        verdicts = (line.verdict for line in self.sums if line.is_model)
        return max(verdicts, key=list(Verdict).index, default=Verdict.AGREES)

    @property
    def of_others(self) -> Decimal:
        """USD that they charge for what no call of ours can be."""
        return sum((line.theirs for line in self.sums if not line.is_model), Decimal())


def reconcile(ours: Iterable[Ours], charges: Iterable[Charge]) -> Reconciliation:
    """A snapshot that is charged belongs to the model that was called, if that was called without a date.

    Without any line item, all models of a day are one line.
    """
    ours, charges = list(ours), list(charges)
    if any(charge.item for charge in charges):
        names = _Names({one.model for one in ours})
        found = [_of(one, names.name(one.model)) for one in ours]
        found += [_charged(charge, names) for charge in charges]
    else:
        found = [_of(one, ALL) for one in ours]
        found += [Line(charge.day, ALL, theirs=charge.amount) for charge in charges]
    lines = _merged(found)
    sums = _merged(replace(line, day=None) for line in found)
    return Reconciliation(lines, sums, reduce(Line.plus, sums, Line(None, "total")))


class _Names:
    """What models are called here that providers call by the names of their snapshots."""

    def __init__(self, called: set[str]) -> None:
        self._called = called

    def name(self, model: str) -> str:
        undated = without_date(model)
        return undated if undated in self._called else model


def _of(one: Ours, name: str) -> Line:
    return Line(
        one.day,
        name,
        calls=one.calls,
        ours=usd(one.cost_nanos),
        doubtful=usd(one.doubtful_nanos),
        unpriced_calls=one.unpriced_calls,
    )


def _charged(charge: Charge, names: _Names) -> Line:
    if charge.model is None:
        return Line(charge.day, charge.item or NO_ITEM, is_model=False, theirs=charge.amount)
    return Line(charge.day, names.name(charge.model), theirs=charge.amount)


def _merged(lines: Iterable[Line]) -> list[Line]:
    """One line for each day and name; models first."""
    found: dict[tuple[int, bool, str], Line] = {}
    for line in lines:
        key = line.day or 0, not line.is_model, line.name
        found[key] = found[key].plus(line) if key in found else line
    return [found[key] for key in sorted(found)]
