import pytest
from rich.console import Console

from bench import size
from bench.size import Findings
from bench.whole_batch import WholeBatch, growth
from headrace.settings import MEBIBYTE


def batch(jobs, **mebibytes):
    memory = {name: size * MEBIBYTE for name, size in mebibytes.items()}
    return WholeBatch(jobs, jobs, jobs, seconds={"run": 1.0}, memory={"run": memory})


def test_the_most_memory_of_a_process_is_that_of_any_step():
    found = WholeBatch(1, memory={"check": {"api": 3, "worker-1": 9}, "run": {"api": 5, "worker-1": 7}})

    assert found.most_bytes == {"api": 5, "worker-1": 9}


def test_growth_is_that_of_all_processes_together():
    small, large = batch(5, api=90, **{"worker-1": 100}), batch(500, api=130, **{"worker-1": 161})

    found = size.report(Findings(small, large, 0))

    assert growth(small, large) == {"api": 40 * MEBIBYTE, "worker-1": 61 * MEBIBYTE}
    assert found.broken == ["growth in memory, all together"]


def test_an_answer_that_is_missing_breaks_a_promise():
    large = batch(500, api=90)
    large.answered = 499

    assert size.report(Findings(batch(5, api=90), large, 0)).broken == ["answers in the output file"]


@pytest.mark.benches
@pytest.mark.slow
def test_the_program_runs():
    report = size.measure(Console(quiet=True), jobs=6_000)

    assert report.broken == []
    assert list(report.figures["seconds"]) == ["upload", "check", "run", "download", "results"]
    assert report.figures["wal_bytes"] > 0
