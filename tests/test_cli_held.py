"""`headrace held` and `headrace release`: requests that wait for their owner."""

import json
from functools import partial

import pytest

from headrace.states import JobState
from tests.commands import in_process
from tests.kinds import on_sqlite
from tests.scene import AT_MOST, retried

pytest_plugins = ["tests.databases", "tests.api_fixtures"]
pytestmark = on_sqlite


@pytest.fixture
def headrace(api, tmp_path, monkeypatch, capfd):
    """Runs a command against the API; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_URL", api.url)
    monkeypatch.setenv("HEADRACE_API_KEY", api.secret)
    return partial(in_process, monkeypatch, capfd)


@pytest.fixture
def held(api, store):  # noqa: ARG001 - the batches are the API's client's
    """Two batches with two held jobs each: the batches' ids."""
    ids = [store.batch(lines=2) for _ in range(2)]
    for batch_id in ids:
        store.set_batch(batch_id, hold_ambiguous=True)
    store.land(*(retried(flight, error_code="timeout", error_message="no answer") for flight in store.fly()))
    return ids


def states(store, batch_id):
    return [job.state for job in store.jobs(batch_id)]


def test_held_requests_are_listed_with_the_reason_and_the_price(headrace, held):
    status, said, _ = headrace("held")

    assert status == 0
    rows = [line for line in said.splitlines() if "job_" in line]
    assert len(rows) == 4
    assert all("timeout: no answer" in row and f"{AT_MOST:,}" in row for row in rows)
    assert sum(held[0] in row for row in rows) == 2


def test_those_of_one_batch_are_one_json_object_a_line(headrace, held, store):
    status, said, _ = headrace("held", "--batch", held[1], "--json")

    assert status == 0
    found = [json.loads(line) for line in said.splitlines()]
    assert [job["id"] for job in found] == [f"job_{job.id}" for job in store.jobs(held[1])]
    assert {(job["batch_id"], job["why"], job["tokens_at_most"]) for job in found} == {
        (held[1], "timeout: no answer", AT_MOST)
    }


def test_nothing_held_is_said_in_words(headrace):
    assert headrace("held")[:2] == (0, "nothing is held\n")


def test_named_requests_are_released(headrace, held, store):
    first, second = [f"job_{job.id}" for job in store.jobs(held[0])]

    assert headrace("release", first)[:2] == (0, "1 queued again\n")
    assert headrace("release", second, "--fail")[:2] == (0, "1 failed\n")

    assert states(store, held[0]) == [JobState.QUEUED, JobState.FAILED]
    assert states(store, held[1]) == [JobState.HELD] * 2


def test_all_requests_of_a_batch_are_released(headrace, held, store):
    assert headrace("release", "--batch", held[0])[:2] == (0, "2 queued again\n")
    assert headrace("release", "--batch", held[1], "--fail")[:2] == (0, "2 failed\n")

    assert states(store, held[0]) == [JobState.QUEUED] * 2
    assert states(store, held[1]) == [JobState.FAILED] * 2


def test_what_is_not_held_is_told_so(headrace, store):
    (job_id,) = store.inline()

    status, _, told = headrace("release", f"job_{job_id}")

    assert status == 1
    assert "not held" in told


@pytest.mark.parametrize("arguments", [(), ("job_1", "--batch", "batch_1")])
def test_either_jobs_or_a_batch_must_be_named(headrace, arguments):
    status, _, told = headrace("release", *arguments)

    assert status == 2
    assert "name the jobs" in told


@pytest.mark.parametrize(("options", "holds"), [((), False), (("--on-ambiguous", "hold"), True)])
def test_a_submitted_input_may_ask_to_hold(headrace, store, tmp_path, options, holds):
    (tmp_path / "prompts.txt").write_text("Hello?\n")

    status, said, _ = headrace("submit", "prompts.txt", "-m", "m", *options)

    assert status == 0
    assert store.batch_row(said.strip()).hold_ambiguous is holds
