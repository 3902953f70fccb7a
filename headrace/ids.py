"""Public identifiers: a prefix, the millisecond, and random bits, so that they sort by creation."""

import secrets
from datetime import datetime, timedelta

from headrace.clock import now
from headrace.columns import EPOCH

RANDOM_BYTES = 8
MILLISECOND = timedelta(milliseconds=1)
# What follows the prefix, as a regular expression: until the year 2527 the first digit is 0.
FORM = "0[0-9a-f]{27}"


def new_id(prefix: str) -> str:
    """A fresh identifier such as `batch_0199...`: 12 hex digits of Unix milliseconds, 16 random ones."""
    return f"{prefix}{int(now().timestamp() * 1000):012x}{secrets.token_hex(RANDOM_BYTES)}"


def time_of(public_id: str, prefix: str) -> datetime:
    """When the millisecond began in which an id of the form `FORM` was made."""
    return EPOCH + int(public_id.removeprefix(prefix)[:12], 16) * MILLISECOND
