"""The bill: what was charged on each day (UTC), in the form that OpenAI exports costs in."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from headrace.simulator.call import DEFAULT_TIER
from headrace.simulator.errors import ORGANISATION
from headrace.simulator.prices import Cost

DAY_SECONDS = 86_400
PROJECT = "proj_simulator"
COLUMNS = (
    "start_time",
    "end_time",
    "start_time_iso",
    "end_time_iso",
    "amount_value",
    "amount_currency",
    "line_item",
    "project_id",
    "organization_id",
)


class Bill:
    """Sums by day and line item, such as `m, cached input` or `priority | m, output`. Amounts in nanos."""

    def __init__(self) -> None:
        self._amounts: Counter[tuple[int, str]] = Counter()

    def add(self, at: float, model: str, tier: str, cost: Cost) -> None:
        """One call that came in at `at` (Unix seconds)."""
        day = int(at // DAY_SECONDS) * DAY_SECONDS
        served = "" if tier == DEFAULT_TIER else f"{tier} | "
        for item, nanos in cost.items.items():
            self._amounts[day, f"{served}{model}, {item}"] += nanos

    def as_csv(self) -> bytes:
        """A row for each day and line item, and a header; amounts are exact, without an exponent."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(COLUMNS)
        for (day, item), nanos in sorted(self._amounts.items()):
            end = day + DAY_SECONDS
            amount = f"{Decimal(nanos).scaleb(-9):f}"
            rows.writerow([day, end, _iso(day), _iso(end), amount, "usd", item, PROJECT, ORGANISATION])
        return text.getvalue().encode()


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
