"""Public identifiers: a prefix, the millisecond, and random bits, so that they sort by creation."""

import secrets

from headrace.clock import now

RANDOM_BYTES = 8


def new_id(prefix: str) -> str:
    """A fresh identifier such as `batch_0199...`: 12 hex digits of Unix milliseconds, 16 random ones."""
    return f"{prefix}{int(now().timestamp() * 1000):012x}{secrets.token_hex(RANDOM_BYTES)}"
