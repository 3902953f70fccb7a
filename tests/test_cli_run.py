"""`headrace run`, from a file of prompts to a file of answers."""

import json
import signal

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from headrace.db import Database
from headrace.models import Attempt
from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.commands import alive, headrace, in_process, running
from tests.simulated import eventually


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(latency_ms=50)) as simulator:
        yield simulator


@pytest.fixture
def provider(simulator):
    """The settings that name the simulator."""
    return {"HEADRACE_PROVIDER_URL": simulator.base_url, "HEADRACE_GRACE_SECONDS": "5"}


def results(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_answers_come_in_the_order_of_the_input_and_a_failure_is_told(tmp_path, provider):
    prompts = [f"Question {number}?" for number in range(30)]
    prompts[10] = "[[sim:400]]"
    arguments = ("run", "-", "--model", "m", "-o", "answers.jsonl", "--workers", 1)

    ended = headrace(*arguments, cwd=tmp_path, stdin="\n\n".join(prompts), **provider)

    found = results(tmp_path / "answers.jsonl")
    assert [line["custom_id"] for line in found] == [f"line-{2 * number + 1}" for number in range(30)]
    assert all(line.keys() == {"id", "custom_id", "response", "error"} for line in found)
    bodies = [line["response"]["body"] for line in found]
    failed = bodies.pop(10)
    for prompt, body in zip(prompts[:10] + prompts[11:], bodies, strict=True):
        assert prompt in body["choices"][0]["message"]["content"]
    assert failed["error"]["code"] == "invalid_value"
    assert ended.returncode == 1
    assert ended.stderr == "1 of 30 requests have no answer\n"
    assert "400 invalid_value: Invalid value, as asked for." in ended.stdout
    assert f"{sum(body['usage']['total_tokens'] for body in bodies):,}" in ended.stdout
    assert ended.stdout.endswith("30 results are in answers.jsonl\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "headrace-data"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bad.jsonl", "--model", "m"], "bad.jsonl:2: this is no JSON object"),
        (["good.txt"], "good.txt:1: there is no 'model': write one into the line, or give --model"),
        (["nowhere.txt", "--model", "m"], "nowhere.txt: No such file or directory"),
        (
            ["good.txt", "--model", "m", "-o", "nowhere/out.jsonl"],
            "error: cannot write nowhere/out.jsonl: No such file or directory",
        ),
        (["good.txt", "--model", "m", "-o", "."], "error: cannot write .: it is a folder"),
        (["good.txt", "--model", "m", "-o", "good.txt"], "error: good.txt is the input: name another --out"),
    ],
)
def test_bad_input_is_one_line_and_nothing_starts(tmp_path, monkeypatch, capfd, arguments, told):
    (tmp_path / "bad.jsonl").write_text('{"prompt": "Hi"}\n[]\n')
    (tmp_path / "good.txt").write_text("Hi\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_PROVIDER_URL", "http://127.0.0.1:9/v1")

    assert in_process(monkeypatch, capfd, "run", *arguments) == (2, "", f"{told}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "good.txt"]


def test_without_a_key_for_openai_nothing_is_sent(tmp_path, monkeypatch, capfd):
    (tmp_path / "good.txt").write_text("Hi\n")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    status, _, told = in_process(monkeypatch, capfd, "run", tmp_path / "good.txt", "--model", "m")

    assert status == 2
    assert told.startswith("error: there is no key for https://api.openai.com/v1")


def test_the_same_command_goes_on_where_an_interrupted_one_stopped(tmp_path):
    (tmp_path / "prompts.txt").write_text("".join(f"Question {number}?\n" for number in range(100)))
    arguments = ("run", "prompts.txt", "-m", "m", "--workers", 1)
    with SimulatorProcess(SimulatorConfig(latency_ms=20)) as simulator:
        settings = {"HEADRACE_PROVIDER_URL": simulator.base_url, "HEADRACE_RPM": "900"}
        stopped_by(signal.SIGINT, 10, simulator, arguments, tmp_path, settings)
        other = headrace(*arguments, "--on-ambiguous", "hold", cwd=tmp_path, **settings)
        assert other.returncode == 2
        assert "begun with --on-ambiguous retry" in other.stderr
        assert len(other.stderr.splitlines()) == 1
        polite = simulator.stats()["answered"]
        stopped_by(signal.SIGKILL, polite + 20, simulator, arguments, tmp_path, settings)

        ended = headrace(*arguments, cwd=tmp_path, **settings)

        calls = simulator.stats()["received"]
    assert ended.returncode == 0, ended.stderr
    assert "resuming batch_" in ended.stdout
    assert len(results(tmp_path / "prompts.results.jsonl")) == 100
    assert calls <= 100 + attempts_lost(tmp_path) < 130


def stopped_by(blow, answers, simulator, arguments, folder, settings):
    """Runs the command until the simulator has given so many answers."""
    with running(*arguments, cwd=folder, **settings) as command:
        eventually(lambda: simulator.stats()["answered"] >= answers, 60)
        family = command.family()
        command.process.send_signal(blow)
        assert command.ends() == (130 if blow == signal.SIGINT else -blow)
        if blow == signal.SIGINT:
            command.has_said("the same command will go on from here")
    eventually(lambda: not any(map(alive, family)))


def attempts_lost(folder):
    """Calls that nobody knows the end of: they were under way, or not written down yet, at the kill."""
    database = Database(f"sqlite:///{folder}/headrace-data/headrace.db")
    with database.read() as session:
        lost = select(func.count()).select_from(Attempt).where(col(Attempt.error_code) == "worker_lost")
        count = session.scalar(lost)
    database.close()
    return count
