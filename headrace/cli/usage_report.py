"""What `headrace usage` shows: sums of calls by what they have in common, and by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce

from headrace.db import Database
from headrace.errors import NotFound
from headrace.store import keys
from headrace.store.postings import NOTHING, Posting
from headrace.store.reports import Row, Value, Wanted, report

KEY = "api_key_id"
UNKNOWN = "unknown"
FORMS = {"hour": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%Y-%m"}
HEADINGS = {KEY: "key", "batch_id": "batch"}
"""Groups of reports that are called otherwise here."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Calls from `start` to before `end` (Unix seconds), grouped `by`; `days` are the same, by day alone.

    Without `key_names` keys are shown by their ids alone.
    """

    start: int
    end: int
    by: tuple[str, ...]
    rows: Sequence[Row]
    days: Sequence[Row]
    key_names: Mapping[str, str] | None = None

    @property
    def total(self) -> Posting:
        """All rows together."""
        return reduce(Posting.plus, (row.sums for row in self.rows), NOTHING)

    @property
    def headings(self) -> list[str]:
        """Of the columns that `cells` fills."""
        found: list[str] = []
        for name in self.by:
            found.append(HEADINGS.get(name, name))
            if name == KEY and self.key_names is not None:
                found.append("key name")
        return found

    def cells(self, row: Row) -> list[str | None]:
        """What the calls of a row have in common, as text; None is what they have not."""
        found: list[str | None] = []
        for name, value in row.group.items():
            found.append(written(name, value))
            if name == KEY and self.key_names is not None:
                found.append(self.key_names.get(str(value)))
        return found


def from_database(database: Database, wanted: Wanted, by: Sequence[str]) -> UsageReport:
    """Of all keys, unless some are wanted, by id or by name. Raises NotFound for a key that never was."""
    with database.read() as session:
        names = {key.id: key.name for key in keys.list_all(session)}
        wanted = _with_key_ids(wanted, names)
        rows, days = report(session, wanted, by), report(session, wanted, ["day"])
    return UsageReport(wanted.start, wanted.end, tuple(by), rows, days, names)


def written(name: str, value: Value) -> str | None:
    """A value of the group `name`: times as dates, all else as it is."""
    if value is None or name not in FORMS:
        return None if value is None else str(value)
    return f"{datetime.fromtimestamp(int(value), UTC):{FORMS[name]}}"


def is_unknown(sums: Posting) -> bool:
    """Whether nothing is known of what they cost."""
    return bool(sums.unpriced_calls) and not sums.cost_nanos


def may_cost_more(sums: Posting) -> bool:
    """Whether calls in doubt may be among those without a price: nothing then bounds what they cost."""
    return bool(sums.doubtful_calls and sums.unpriced_calls)


def is_doubt_unknown(sums: Posting) -> bool:
    """Whether nothing is known of what calls in doubt can cost."""
    return may_cost_more(sums) and not sums.doubtful_nanos


def _with_key_ids(wanted: Wanted, names: Mapping[str, str]) -> Wanted:
    ids: list[str] = []
    for given in wanted.api_key_ids:
        found = [key_id for key_id, name in names.items() if given in (key_id, name)]
        if not found:
            raise NotFound(f"there is no key {given!r}: `headrace keys list` has them all")
        ids += found
    return replace(wanted, api_key_ids=ids)
