"""The commands that speak to a headrace which runs, and the resuming of a run, on one real stack."""

import json
from functools import partial

import pytest

from headrace.cli.conversion import Rules
from headrace.cli.inputs import read_input
from headrace.cli.local import HASH_KEY, run_on
from headrace.cli.results_file import ResultsFile
from headrace.cli.submission import submit
from headrace.client import BatchOptions, Client
from headrace.embedded import Stack
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.commands import in_process
from tests.simulated import eventually

CONFIGURATION = """
[providers.simulator]
base_url = "{url}"
[quotas.simulator]
provider = "simulator"
[models.m]
quota = "simulator"
[prices.m]
input = 1
output = 1
"""


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(latency_ms=10, hang_seconds=100)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def stack(tmp_path_factory, simulator):
    folder = tmp_path_factory.mktemp("stack")
    config = folder / "headrace.toml"
    config.write_text(CONFIGURATION.format(url=simulator.base_url))
    settings = Settings(data_dir=folder / "data", config=config)
    with Stack(settings, workers=1) as stack:
        stack.wait_ready()
        yield stack
        stack.kill()


@pytest.fixture
def client(stack):
    client = Client(stack.base_url, stack.api_key)
    yield client
    client.close()


@pytest.fixture
def headrace(stack, tmp_path, monkeypatch, capfd):
    """Runs a command against the stack; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_URL", stack.base_url)
    monkeypatch.setenv("HEADRACE_DATA_DIR", str(stack.folder.path))
    return partial(in_process, monkeypatch, capfd)


@pytest.fixture
def prompts(tmp_path):
    """Writes a file of prompts; returns its path."""

    def prompts(*lines):
        path = tmp_path / "prompts.txt"
        path.write_text("\n".join(lines))
        return path

    return prompts


def test_a_submitted_input_can_be_watched_and_its_results_read(headrace, prompts, client):
    given = prompts(*(f"Question {number}?" for number in range(20)))

    status, batch_id, _ = headrace("submit", given, "--model", "m")
    batch_id = batch_id.strip()

    assert status == 0
    assert client.batch(batch_id).total in (0, 20)
    status, watched, _ = headrace("watch", batch_id)
    assert status == 0
    assert "completed    20/20" in watched
    usage = client.batch(batch_id).usage
    assert all(f"{tokens:,}" in watched for tokens in usage.values())
    status, found, _ = headrace("results", batch_id)
    lines = [json.loads(line) for line in found.splitlines()]
    assert status == 0
    assert {line["custom_id"] for line in lines} == {f"line-{number}" for number in range(1, 21)}
    assert sum(line["response"]["body"]["usage"]["total_tokens"] for line in lines) == usage["total_tokens"]


def test_waiting_tells_failures_by_their_reasons(headrace, prompts):
    status, said, told = headrace(
        "submit", prompts("Hi", "[[sim:422]]", "[[sim:422]] too"), "-m", "m", "--wait"
    )

    assert status == 1
    assert "2       422 invalid_request_error: Unprocessable request." in said
    assert told == "2 of 3 requests have no answer\n"


def test_results_can_be_followed_into_a_file(headrace, prompts, tmp_path):
    _, batch_id, _ = headrace("submit", prompts(*"abcde"), "-m", "m")

    status, said, _ = headrace("results", batch_id.strip(), "--follow", "-o", "found.jsonl")

    assert (status, said) == (0, "")
    assert len((tmp_path / "found.jsonl").read_text().splitlines()) == 5


def test_batches_are_listed_newest_first(headrace, prompts):
    ids = [headrace("submit", prompts("Hi"), "-m", "m", "--wait")[1].split()[0] for _ in range(3)]

    status, listed, _ = headrace("batches", "--limit", 2)

    assert status == 0
    shown = [line.split()[0] for line in listed.splitlines() if "batch_" in line]
    assert shown == [ids[2], ids[1]]


def test_a_batch_can_be_cancelled(headrace, prompts, client, simulator):
    before = simulator.stats()["received"]
    _, batch_id, _ = headrace("submit", prompts("[[sim:hang]]"), "-m", "m")
    batch_id = batch_id.strip()
    eventually(lambda: simulator.stats()["received"] > before)

    status, said, _ = headrace("cancel", batch_id)

    assert (status, said) == (0, f"{batch_id}: cancelling, 0 of 1 done\n")
    assert client.batch(batch_id).status == "cancelling"


def test_an_unknown_batch_is_one_line(headrace):
    for command in ("watch", "results", "cancel"):
        assert headrace(command, "batch_x") == (
            1,
            "",
            "error: No batch found with id 'batch_x'.\n",
        )


def test_a_wrong_key_is_one_line(headrace, monkeypatch):
    monkeypatch.setenv("HEADRACE_API_KEY", "hr-wrong")

    assert headrace("batches") == (1, "", "error: Incorrect API key provided.\n")


def test_no_key_at_all_is_one_line(headrace, tmp_path):
    status, _, told = headrace("batches", "--data-dir", tmp_path)

    assert status == 2
    assert told.startswith("error: no API key: HEADRACE_API_KEY is not set, and ")
    assert len(told.splitlines()) == 1


def test_faults_that_only_the_api_sees_name_the_line_of_the_input(headrace, prompts):
    given = prompts("Hi", "", "Hi")

    status, _, told = headrace("submit", given, "-m", "unknown", "--wait")

    fault = "The model 'unknown' is not configured here."
    assert (status, told) == (2, f"{given}:1: {fault}\n{given}:3: {fault}\n")


@pytest.fixture
def read(tmp_path):
    """An input of prompts, and so always the same for the same prompts."""

    def read(*texts):
        given = tmp_path / "input.txt"
        given.write_text("\n".join(texts))
        return read_input(str(given), tmp_path, Rules("m", lambda _: True, 1000))

    return read


@pytest.fixture
def run(stack, tmp_path, read):
    """Does what `headrace run` does once its stack is ready; returns the batch's id."""

    def run(*texts, **options):
        with ResultsFile(tmp_path / "results.jsonl") as results:
            batch, _ = run_on(stack, read(*texts), results, BatchOptions(**options))
        return batch.id

    return run


def test_results_that_did_not_reach_their_file_are_fetched_and_not_paid_again(
    run, stack, tmp_path, simulator
):
    first = run("Once?")
    paid = simulator.stats()["received"]
    (stack.folder.path / "collected" / first).unlink()

    again = run("Once?")

    assert again == first
    assert simulator.stats()["received"] == paid
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 1


def test_an_input_whose_results_reached_their_file_runs_anew(run, simulator):
    first = run("Twice?")
    paid = simulator.stats()["received"]

    assert run("Twice?") != first
    assert simulator.stats()["received"] == paid + 1


def test_another_input_does_not_go_on_with_an_unfinished_batch(run, stack):
    first = run("One?")
    (stack.folder.path / "collected" / first).unlink()

    assert run("Another?") != first


def test_a_run_whose_budget_was_used_up_goes_on_with_a_larger_one(run, read, client, simulator):
    made, before = read("Too dear?", "This one too?"), simulator.stats()["received"]
    begun = submit(client, made, BatchOptions(budget_usd="0"), **{HASH_KEY: made.sha256})
    eventually(lambda: client.batch(begun.id).held == 2)
    assert "budget of this batch, $0.00, is used up" in client.batch(begun.id).notice
    assert simulator.stats()["received"] == before

    assert run("Too dear?", "This one too?", budget_usd="10") == begun.id

    batch = client.batch(begun.id)
    assert (batch.succeeded, batch.budget_nanos, batch.notice) == (2, 10 * 10**9, None)
    assert 0 < batch.cost_nanos < batch.budget_nanos


def test_a_batch_that_somebody_cancelled_is_not_gone_on_with(run, read, client, simulator):
    text, before = "[[sim:hangx1]] Only the first call hangs.", simulator.stats()["received"]
    made = read(text)
    cancelled = submit(client, made, **{HASH_KEY: made.sha256})
    eventually(lambda: simulator.stats()["received"] > before)
    client.cancel(cancelled.id)

    assert run(text) != cancelled.id


def test_the_doctor_finds_the_stack_that_runs_in_the_folder(headrace, stack, monkeypatch):
    monkeypatch.setenv("HEADRACE_CONFIG", str(stack.settings.config))

    status, said, _ = headrace("doctor", "--json")

    found = {finding["subject"]: finding for finding in json.loads(said)["findings"]}
    assert status == 0, said
    assert (
        found["broker"]["level"] == found["workers"]["level"] == found["provider simulator"]["level"] == "ok"
    )
    secret = stack.folder.path / "redis-url"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() not in said
