"""`headrace watch` ends with the status that its help promises."""

import pytest

from headrace.clock import now
from tests.commands import in_process
from tests.scene import succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

FAULT = {"code": "invalid_json_line", "message": "This line is no JSON.", "param": None, "line": 3}


@pytest.fixture
def watch(api, tmp_path, monkeypatch, capfd):
    """Watches a batch: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_URL", api.url)
    monkeypatch.setenv("HEADRACE_API_KEY", api.secret)
    return lambda *arguments: in_process(monkeypatch, capfd, "watch", *arguments)


def test_a_batch_that_was_refused_is_status_2_and_names_its_faults(watch, store):
    batch_id = store.new_batch()
    store.set_batch(batch_id, status="failed", failed_at=now(), errors=[FAULT])

    status, _, told = watch(batch_id)

    assert (status, told) == (2, "line 3: This line is no JSON.\n")


def test_a_batch_with_an_answer_to_all_is_status_0_and_one_without_status_1(watch, store):
    good, cancelled = store.batch(), store.batch(lane="other")
    store.land(*map(succeeded, store.fly()))
    for batch_id, status in ((good, "completed"), (cancelled, "cancelled")):
        store.set_batch(batch_id, status=status)

    assert [watch(batch_id)[0] for batch_id in (good, cancelled)] == [0, 1]


def test_a_batch_whose_input_was_cut_short_is_status_1_and_says_why(watch, store):
    batch_id = store.batch()
    store.land(*map(succeeded, store.fly()))
    store.set_batch(batch_id, status="completed", errors=[FAULT])

    status, _, told = watch(batch_id)

    assert (status, told) == (1, "not all of the input became requests: This line is no JSON.\n")


def test_the_help_says_all_of_this(watch):
    _, said, _ = watch("--help")

    words = " ".join(said.replace("│", " ").split())
    assert "0 if all requests succeeded, 1 if some did not, 2 if the input was refused" in words
