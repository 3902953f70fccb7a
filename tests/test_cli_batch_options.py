"""Options of `headrace submit` and `headrace run` that say how a batch is to be run."""

import json
from functools import partial

import pytest

from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.commands import headrace, in_process
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]


@pytest.fixture
def command(api, tmp_path, monkeypatch, capfd):
    """Runs a command against the API; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_URL", api.url)
    monkeypatch.setenv("HEADRACE_API_KEY", api.secret)
    (tmp_path / "prompts.txt").write_text("Hello\n")
    return partial(in_process, monkeypatch, capfd, "submit", "prompts.txt", "--model", "m")


@on_sqlite
def test_what_the_options_say_is_what_the_batch_has(command, store):
    status, batch_id, _ = command("--window", "90m", "--priority", "-7", "--invalid-lines", "skip")

    assert status == 0
    row = store.batch_row(batch_id.strip())
    assert (row.completion_window, row.priority, row.skip_invalid) == ("90m", -7, True)


@on_sqlite
def test_without_options_the_batch_is_as_the_contract_has_it(command, store):
    row = store.batch_row(command()[1].strip())

    assert (row.completion_window, row.priority, row.skip_invalid) == ("24h", 0, False)
    assert row.hold_ambiguous is False


@on_sqlite
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--window", "1y", "'90m', '24h' or '7d', from 1m to 30d"),
        ("--priority", "101", "less than or equal to 100"),
        ("--invalid-lines", "ignore", "'fail', 'skip'"),
    ],
)
def test_what_an_option_cannot_be_is_told_before_anything_is_sent(command, api, option, value, told):
    status, said, complaint = command(option, value)

    assert (status, said) == (2, "")
    assert told in " ".join(complaint.replace("│", " ").split())
    assert api.stored() == []


def test_run_skips_lines_that_cannot_run_and_says_which_and_why(tmp_path):
    lines = [
        "nonsense",
        '{"prompt": "One?"}',
        '{"custom_id": "x", "method": "GET"}',
        "",
        '{"prompt": "Two?"}',
    ]
    (tmp_path / "input.jsonl").write_text("\n".join(lines))
    with SimulatorProcess(SimulatorConfig()) as simulator:
        ended = headrace(
            *("run", "input.jsonl", "-m", "m", "--workers", 1, "--invalid-lines", "skip", "--priority", 5),
            cwd=tmp_path,
            HEADRACE_PROVIDER_URL=simulator.base_url,
        )

    assert ended.returncode == 1, ended.stderr
    found = [json.loads(line) for line in (tmp_path / "input.results.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in found] == [None, "line-2", "x", "line-5"]
    assert [line["error"] and line["error"]["code"] for line in found] == [
        "invalid_json_line",
        None,
        "missing_required_parameter",
        None,
    ]
    assert "will not run: input.jsonl:1: this is no JSON" in ended.stderr
    assert "will not run: input.jsonl:3: " in ended.stderr
    assert "2 of 4 requests have no answer" in ended.stderr
    report = " ".join(ended.stdout.split())
    assert "of them lines that cannot run 2" in report
    assert "1 invalid_json_line: This line is not a JSON object. " in report
