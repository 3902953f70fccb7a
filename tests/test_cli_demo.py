"""`headrace demo`, smaller and faster than by default."""

import json
import signal

import pytest

from headrace.cli.demo import is_billed_so
from headrace.client import BatchView
from tests.commands import headrace, running


def test_the_demo_comes_out_as_expected_whatever_the_environment_says(tmp_path):
    hostile = {"HEADRACE_DATABASE_URL": "nonsense", "HEADRACE_PROVIDER_URL": "nonsense", "HEADRACE_RPM": "1"}

    ended = headrace(
        "demo", "--jobs", 60, "--rpm", 1200, "--data-dir", "it", "--workers", 1, cwd=tmp_path, **hostile
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [json.loads(line) for line in (tmp_path / "it/demo-results.jsonl").read_text().splitlines()]
    given = [json.loads(line) for line in (tmp_path / "it/demo-input.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == [line["id"] for line in given]
    assert [line["custom_id"] for line in lines if line["response"]["status_code"] != 200] == ["must-fail"]
    assert "60/60" in ended.stdout
    assert "tokens" in ended.stdout
    assert "关于“" in ended.stdout
    assert {len(line["messages"]) for line in given} > {1, 3, 6}
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
    assert "the ledger agrees" in ended.stdout


@pytest.mark.parametrize(("billed", "agrees"), [(9, False), (10, True), (15, True), (16, False)])
def test_the_bill_is_what_was_booked_and_no_more_than_what_is_in_doubt_beyond_it(billed, agrees):
    batch = BatchView(
        id="batch_1",
        status="completed",
        created_at=1,
        total=1,
        succeeded=1,
        failed=0,
        usage={},
        errors=[],
        notice=None,
        metadata={},
        held=0,
        on_ambiguous="retry",
        cost_nanos=10,
        doubtful_nanos=5,
        unpriced_calls=0,
        budget_nanos=None,
    )

    assert is_billed_so(batch, billed) is agrees


def test_a_demo_that_goes_on_after_an_interruption_has_a_bill_of_a_part_and_comes_out_well(tmp_path):
    command = ("demo", "--jobs", 40, "--rpm", 300, "--data-dir", "it", "--workers", 1)
    with running(*command, cwd=tmp_path) as demo:
        demo.has_said("in_progress  1")
        demo.process.send_signal(signal.SIGINT)
        demo.ends()

    ended = headrace(*command, cwd=tmp_path)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "resuming batch_" in ended.stdout
    assert "the ledger" not in ended.stdout
