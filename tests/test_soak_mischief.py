"""A soak counts the strikes that happened, and no others."""

import random
from types import SimpleNamespace
from typing import Any

from tests.chaos import ChaosProxy
from tests.soak.mischief import Mischief
from tests.soak.processes import Struck


def on_nothing(network, deck):
    """Strikes at a stack of which no process runs, from the last of `deck` to the first."""
    rig: Any = SimpleNamespace(stack=SimpleNamespace(pids={}), network=network, postgres=None, db=None)
    return Mischief(rig, random.Random(1), _deck=deck)


def test_a_strike_at_a_process_that_is_not_there_is_not_counted():
    kinds = ["kill -9 worker", "kill -9 api", "SIGSTOP worker"]
    mischief = on_nothing(ChaosProxy("127.0.0.1", 1), list(kinds))

    struck = [mischief.strike() for _ in kinds]

    assert struck == [f"{kind}: not possible now" for kind in reversed(kinds)]
    assert not mischief.done
    assert not mischief.processes.struck


def test_a_strike_at_the_network_is_counted_with_its_times():
    with ChaosProxy("127.0.0.1", 1) as network:
        mischief = on_nothing(network, ["provider blackhole"])

        assert mischief.strike() == "provider blackhole"

    assert mischief.done == {"provider blackhole": 1}
    ((since, until),) = mischief.network
    assert until - since >= 5
    assert [(one.since, one.until) for one in mischief.held_up()] == [(since, until)]


def test_calls_of_a_stopped_worker_are_held_up_no_longer_than_it_would_make_them_late():
    mischief = on_nothing(ChaosProxy("127.0.0.1", 1), [])
    mischief.processes.struck += [
        Struck("worker_1", 0, 100, 140),
        Struck("worker_1", 0, 200, 202),
        Struck("worker_2", 3, 300, 300, was_killed=True),
    ]

    assert [tuple(one) for one in mischief.held_up()] == [(100, 140, 5), (200, 202, 2)]
