"""The bench of ingest: its input and its sums, and one small run of the whole."""

import json
import tempfile

import pytest
from rich.console import Console

from bench.ingest import KINDS, Findings, Round, measure, report, write_lines


def test_every_line_has_the_bytes_that_were_asked_for(tmp_path):
    write_lines(tmp_path / "input.jsonl", 11, 2048)

    lines = (tmp_path / "input.jsonl").read_bytes().splitlines(keepends=True)
    assert [len(line) for line in lines] == [2048] * 11
    assert len({json.loads(line)["custom_id"] for line in lines}) == 11


def test_the_promise_is_held_to_the_medians():
    found = Findings(10, 0.0, {"sqlite": [Round(1, 1.4, 9), Round(2, 3, 2), Round(3, 90, 4)]})

    assert report(found).figures["of_plain"] == {"sqlite": {"begun": 1.5, "stored": 2}}
    assert report(found).broken == []
    found.rounds["sqlite"][1] = Round(2, 3.1, 2)
    assert report(found).broken == ["sqlite: until in progress"]


@pytest.mark.benches
@pytest.mark.slow
def test_a_small_run_ends_by_itself_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    found = measure(Console(quiet=True), jobs=60, rounds=1)

    assert {kind: len(many) for kind, many in found.figures["rounds"].items()} == dict.fromkeys(KINDS, 1)
    assert list(tmp_path.iterdir()) == []
