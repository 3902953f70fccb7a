"""Versions compared by their numbers."""

import re

from headrace import __version__


def numbers(version: str) -> tuple[int, ...]:
    """The whole numbers in it, in their order; none in an empty one."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def is_older(version: str) -> bool:
    """Whether it is of a release before this one. The first release's workers named none."""
    return numbers(version)[:2] < numbers(__version__)[:2]
