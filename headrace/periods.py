"""The periods that budgets count over, in UTC."""

from datetime import UTC, datetime

from headrace.states import Period

DAY = 86_400


def begins(period: Period, seconds: int) -> int:
    """When the period began that `seconds` is in (both Unix seconds); 0 for the total."""
    if period is Period.TOTAL:
        return 0
    if period is Period.DAY:
        return seconds // DAY * DAY
    at = datetime.fromtimestamp(seconds, UTC)
    return int(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp())


def ends(period: Period, began: int) -> int | None:
    """When the period is over that began then (Unix seconds); None for the total."""
    if period is Period.TOTAL:
        return None
    return began + DAY if period is Period.DAY else begins(period, began + 32 * DAY)
