"""The pace check sees too many calls in a window, and takes only those as held up that were."""

import pytest

from tests.pace import HeldUp, Limits, above, busiest
from tests.witness import Call

RPM = 600


def calls_at(times):
    return [Call(f"att_{at}", "m", at, 200, None, None, 50) for at in times]


@pytest.fixture
def held_up():
    """Two minutes at the limit, in which all calls from second 60 to 64 arrive at second 64."""
    return calls_at([max(each / 10, 64.0) if 60 <= each / 10 < 64 else each / 10 for each in range(1200)])


def test_calls_at_the_limit_are_not_above_it():
    assert not list(above(Limits(rpm=RPM, tpm=RPM * 50), calls_at(each / 10 for each in range(1200))))


def test_calls_that_come_together_are_above_it_unless_a_fault_held_them_up(held_up):
    limits = Limits(rpm=RPM, tpm=RPM * 50)

    told = " ".join(above(limits, held_up))
    assert "requests in 5 s" in told
    assert "tokens in 5 s" in told

    assert not list(above(limits._replace(held_up=[HeldUp(60, 63.9, 4)]), held_up))


def test_a_fault_excuses_no_window_that_it_does_not_touch(held_up):
    limits = Limits(rpm=RPM, held_up=[HeldUp(90, 94, 4), HeldUp(0, 40, 40)])

    assert any("requests in 5 s" in each for each in above(limits, held_up))


def test_the_busiest_minute_is_told(held_up):
    assert busiest(held_up) == (600, 600 * 50)
    assert busiest([]) == (0, 0)
