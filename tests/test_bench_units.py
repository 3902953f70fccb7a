import pytest
from rich.console import Console

from bench import units
from bench.units import Findings, Units


def counted(factor: float = 1) -> Units:
    return Units(*(factor * value for value in (2, 7, 9_000, 4_000, 12, 3, 10)))


def test_units_are_told_by_the_job():
    assert counted(5).minus(counted(2)).per(3) == counted()


def test_a_run_that_wrote_nothing_breaks_the_promise_to_tell_something():
    assert units.report(Findings(0.1, counted(), counted(), counted(), 0.001)).broken == []
    assert units.report(Findings(0.1, counted(), counted(), counted(0), 0.001)).broken == ["units counted"]


@pytest.mark.benches
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_units_runs_with_few_jobs():
    found = units.measure(Console(quiet=True), jobs=200, paced_seconds=3).figures

    for kind in ("paced", "fast"):
        assert 0 < found[kind]["transactions"] < found[kind]["rows"]
        assert found[kind]["wal_bytes"] > 0
    assert found["delete_seconds"] > 0
