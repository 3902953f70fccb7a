"""Making the next thing while the one before is in use."""

from collections.abc import Generator, Iterator
from typing import TypeVar

import gevent

Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items. While one is in use, and whoever uses it waits for others, the next one is made."""
    making = gevent.spawn(next, items, None)
    try:
        while (made := making.get()) is not None:
            making = gevent.spawn(next, items, None)
            yield made
            del made  # two at a time are enough
    finally:
        making.kill()
