"""The leak check of a soak sees a leak in a process that lives long, and only noise in a flat one."""

import os
import random

import pytest

from tests.soak.growth import growths, replaced
from tests.soak.samples import Sample, look

SECONDS = 1800
EVERY_SECONDS = 10
SPARED = ("worker-3",)
LEAKS = {"rss_mib": 2.0, "descriptors": 0.6, "threads": 0.1}  # a second


def life(name, lives_seconds, leak):
    """A process that is killed after so many seconds and started anew, all through a soak."""
    noise = random.Random(name)
    for at in range(0, SECONDS, EVERY_SECONDS):
        age = at % lives_seconds
        warm = min(age, 15)
        yield Sample(
            at=1e9 + at,
            name=name,
            pid=at // lives_seconds,
            age=age,
            rss_mib=100 + warm + noise.uniform(-5, 5) + leak.get("rss_mib", 0) * age,
            descriptors=int(50 + noise.choice([0, 0, 0, 90]) + leak.get("descriptors", 0) * age),
            threads=int(2 + noise.randint(0, 1) + leak.get("threads", 0) * age),
        )


def soaked(spared=None, mortal=None):
    """Samples of a worker that lives as long as the soak, and of one that is killed every 320 s."""
    return sorted([*life("worker-3", SECONDS, spared or {}), *life("worker-1", 320, mortal or {})])


def grown(samples):
    return {(one.process, one.measure) for one in growths(samples, SPARED) if not one.is_flat}


def test_flat_noise_is_flat_and_every_measure_is_looked_at():
    found = growths(soaked(), SPARED)

    assert {(one.process, one.measure) for one in found} == {
        (process, measure) for process in ("worker-3", "worker, by age") for measure in LEAKS
    }
    assert all(one.is_flat for one in found), found


@pytest.mark.parametrize("measure", LEAKS)
def test_a_leak_of_a_process_that_is_spared_is_seen(measure):
    assert grown(soaked(spared={measure: LEAKS[measure]})) == {("worker-3", measure)}


@pytest.mark.parametrize("measure", LEAKS)
def test_a_leak_by_age_is_seen_though_the_process_is_killed_again_and_again(measure):
    assert grown(soaked(mortal={measure: LEAKS[measure]})) == {("worker, by age", measure)}


def test_a_spared_process_that_was_replaced_or_was_never_there_is_told():
    assert replaced(soaked(), SPARED) == []
    assert replaced(soaked(), ["worker-1", "beat"]) == ["beat", "worker-1"]


def test_a_look_at_a_process_finds_what_it_has():
    (own,) = look({"worker-1": os.getpid(), "gone": 2**22 + 1})

    assert (own.name, own.pid) == ("worker-1", os.getpid())
    assert own.age > 0
    assert own.rss_mib > 10
    assert own.descriptors >= 3
    assert own.threads >= 1
