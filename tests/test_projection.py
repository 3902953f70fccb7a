"""What a batch will have cost, told from a part of it."""

from random import Random

import pytest

from headrace.lengths import Range
from headrace.projection import projected_cost


@pytest.mark.parametrize(("total", "finished"), [(0, 0), (100, 0), (100, 9), (100_000, 500), (5, 4)])
def test_nothing_is_told_from_too_little(total, finished):
    assert projected_cost(total, finished, 10, 0) is None


def test_at_the_end_it_is_what_it_cost():
    assert projected_cost(5, 5, 1_000, 0) == Range(1_000, 1_000, 1_000)
    assert projected_cost(5, 5, 1_000, 70) == Range(1_000, 1_000, 1_070)


def test_from_a_quarter_it_is_four_times_as_much():
    made = projected_cost(400, 100, 120_000_000, 0)

    assert made is not None
    assert made.expected == 480_000_000
    assert 120_000_000 < made.low < made.expected < made.high


def test_the_end_is_nearly_always_between_low_and_high_and_comes_nearer():
    drawn = Random(1)
    costs = [round(drawn.lognormvariate(10, 0.8)) for _ in range(2000)]
    hits, widths = 0, []
    for finished in range(100, 2001, 100):
        made = projected_cost(2000, finished, sum(costs[:finished]), 0)
        assert made is not None
        hits += made.low <= sum(costs) <= made.high
        widths.append(made.high - made.low)

    assert hits >= 19
    assert widths[-1] == 0 < widths[9] < widths[4] < widths[0]
