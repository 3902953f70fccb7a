"""Money, as far as rows tell: sums are those of the ledger (I5), and no budget is overspent (I7)."""

from collections.abc import Iterable, Iterator, Sequence

from headrace.db import Database
from headrace.models import Attempt, Batch
from headrace.states import Outcome
from headrace.store import usage_hours
from headrace.store.bills import basis_of


def wrong_sums(db: Database) -> Iterator[str]:
    """Where the sums by hour are not those of the attempts."""
    with db.read() as session:
        for key, surplus in usage_hours.differences(session).items():
            yield f"I5 {surplus} kept beyond the ledger for {key}"


def wrong_bill(batch: Batch, attempts: Sequence[Attempt]) -> Iterator[str]:
    """What a batch says of its money, against its attempts; and whether it spent more than it may."""
    kept = (batch.cost_nanos, batch.doubtful_nanos, batch.unpriced_calls)
    if kept != money_of(attempts):
        yield f"I5 cost, doubt and unpriced calls are {kept}, of its attempts {money_of(attempts)}"
    if batch.budget_nanos is None:
        return
    under_way = sum(one.cost_at_most_nanos or 0 for one in attempts if one.outcome == Outcome.OPEN)
    if batch.reserved_nanos != under_way:
        yield f"I7 {batch.reserved_nanos} nanos are reserved, for calls of {under_way}"
    if sum(kept[:2]) + under_way > batch.budget_nanos:
        yield f"I7 {kept} nanos of a budget of {batch.budget_nanos}, and {under_way} under way"


def money_of(attempts: Iterable[Attempt]) -> tuple[int, int, int]:
    """Nanos of exact cost, nanos of doubt at most, and calls of no known price."""
    exact = doubt = unpriced = 0
    for one in attempts:
        basis = basis_of(one)
        exact += one.cost_nanos or 0
        doubt += (one.cost_at_most_nanos or 0) if basis == "at_most" else 0
        unpriced += basis == "unknown"
    return exact, doubt, unpriced
