"""Moments as people give them: a date, a date and time, or how long ago. In UTC."""

from datetime import UTC, datetime

from headrace.periods import DAY
from headrace.windows import FORM, length_of

LATEST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())  # the API has no later one
RULE = "it must be a date such as 2026-11-01 (UTC), a date and time, or how long ago, such as 36h or 7d"


def moment(text: str, now: datetime) -> int:
    """Unix seconds. Days ago count from their beginning. Raises ValueError with what is wrong."""
    try:
        if FORM.fullmatch(text):
            ago = int((now - length_of(text)).timestamp())
            return ago // DAY * DAY if text.endswith("d") else ago
        given = datetime.fromisoformat(text)
        found = int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise ValueError(RULE) from error
    if found > LATEST:
        raise ValueError("it must be before the year 9999")
    return found


def day(seconds: int) -> str:
    """The date that it is in, as 2026-11-01."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
