"""The one way into the sums: what attempts add when they end goes to their hours and their keys' budgets.

Their batches' sums are moved with the counts of their jobs (`batches.add`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Session

from headrace.store import accounts, alerts, usage_hours
from headrace.store.postings import Key, Posting, by_batch, summed


def post(session: Session, entries: Iterable[tuple[Key, Posting]], rows: Mapping[int, Any]) -> None:
    """Write down the postings of calls for locked jobs. Sums are locked after jobs, attempts and batches."""
    sums = summed(entries)
    if not sums:
        return
    has_budgets = usage_hours.add(session, sums)
    moved = accounts.settle(session, sums) if has_budgets else []
    budgeted = {row.batch_id for row in rows.values() if row.budget_nanos is not None}
    if moved or budgeted:
        alerts.raise_for(session, moved, by_batch(sums.items()), budgeted)
