"""What a look at one thing found."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """`warning`: it works, and may not for long or not as well as it could. `wrong`: it does not work."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """`what` is the case, and what to do about it: `advice` is empty where nothing is to be done."""

    subject: str
    level: Level
    what: str
    advice: str = ""


class Check(NamedTuple):
    """A look at one thing. What it has found stays found when it then fails, or takes too long."""

    subject: str
    look: Callable[[], Iterable[Finding]]


def ok(subject: str, what: str) -> Finding:
    """All is well."""
    return Finding(subject, Level.OK, what)


def warning(subject: str, what: str, advice: str) -> Finding:
    """Somebody should know."""
    return Finding(subject, Level.WARNING, what, advice)


def wrong(subject: str, what: str, advice: str) -> Finding:
    """Somebody must do something."""
    return Finding(subject, Level.WRONG, what, advice)
