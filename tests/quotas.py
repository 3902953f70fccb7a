"""Quotas and asks for tests of the limiter, and how exact its answers are."""

from typing import Any

import pytest

from headrace.config import Quota
from headrace.limits import AIM, Ask

NOW = pytest.approx(0.0, abs=1e-5)


def quota(name: str = "q", provider: str = "p", **limits: int) -> Quota:
    return Quota(name=name, provider=provider, **limits)


def asks(count: int, tokens: int = 1, prefix: str = "call") -> list[Ask]:
    return [Ask(f"{prefix}-{number}", tokens) for number in range(count)]


def about(seconds: Any) -> Any:
    """Bookings are exact to a microsecond; between two of them a busy machine may take a moment."""
    return pytest.approx(seconds, abs=0.4)


SIX_HUNDRED = quota(rpm=600)
SPACE = 60 / (600 * AIM)
