"""Completion windows such as `90m`, `24h` or `7d`: how long a batch may take."""

import re
from datetime import timedelta

FORM = re.compile(r"[1-9][0-9]{0,4}[mhd]")
RULE = "it must be a number of minutes, hours or days such as '90m', '24h' or '7d', from 1m to 30d"
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=30)
# The form and the range in one, for JSON schema.
PATTERN = (
    "^(([1-9][0-9]{0,3}|[1-3][0-9]{4}|4[0-2][0-9]{3}|43[01][0-9]{2}|43200)m"
    "|([1-9][0-9]?|[1-6][0-9]{2}|7[01][0-9]|720)h|([1-9]|[12][0-9]|30)d)$"
)


def is_window(text: str) -> bool:
    """Whether it is one that a batch may have: from a minute to 30 days."""
    return FORM.fullmatch(text) is not None and SHORTEST <= length_of(text) <= LONGEST


def length_of(window: str) -> timedelta:
    """What a completion window means."""
    return int(window[:-1]) * UNITS[window[-1]]
