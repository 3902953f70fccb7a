"""The next thing is made while the one before is in use, and nothing more than that changes."""

import gevent
import pytest
from gevent.event import Event

from worker.ahead import ahead


def test_the_items_are_the_same_ones_in_the_same_order():
    assert list(ahead(iter(range(1, 100)))) == list(range(1, 100))
    assert list(ahead(iter(()))) == []


def test_the_next_is_made_while_one_is_in_use_and_the_one_after_it_is_not():
    made = []

    def making():
        for number in range(1, 9):
            made.append(number)
            yield number

    items = ahead(making())

    assert next(items) == 1
    gevent.sleep(0.01)
    assert made == [1, 2]
    assert next(items) == 2


def test_an_error_comes_behind_the_items_that_were_made_before_it():
    def failing():
        yield 1
        raise OSError("the disk is gone")

    items = ahead(failing())

    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_whoever_stops_early_leaves_nothing_running():
    ended, never = Event(), Event()

    def waiting():
        try:
            yield 1
            never.wait(60)
        finally:
            ended.set()

    items = ahead(waiting())
    next(items)
    gevent.sleep(0)
    items.close()

    assert ended.wait(5)
