"""An input that is far too large, or all wrong, is refused in bounded memory and with a bounded list."""

import json
import tracemalloc

import pytest

from headrace.files import path_of
from headrace.settings import Settings
from headrace.states import BatchStatus
from tests.batch_input import INPUT, given, ingesting, line, many
from worker.review import MOST_FAULTS

pytest_plugins = ["tests.databases", "tests.hints"]
pytestmark = pytest.mark.usefixtures("hints")

MIB = 1024 * 1024


@pytest.fixture
def settings(tmp_path, redis_client_url):
    return Settings(data_dir=tmp_path, redis_url=redis_client_url)


@pytest.fixture
def ingest(store, settings):
    """Makes a batch of this input, and ingests it."""

    def run(content, **change):
        batch_id = given(store, settings, b"")
        with path_of(settings.files_dir, INPUT).open("wb") as file:
            file.writelines(content)
        ingesting(store, settings.model_copy(update=change), batch_id).run()
        return store.batch_row(batch_id)

    return run


def test_faults_are_listed_up_to_a_bound_and_then_counted(ingest):
    batch = ingest([b"1\n" * 300_000], max_batch_lines=400_000)

    *listed, rest = batch.errors
    assert batch.status == BatchStatus.FAILED
    assert [error["line"] for error in listed] == list(range(1, MOST_FAULTS + 1))
    assert rest["line"] is None
    assert str(300_000 - MOST_FAULTS) in rest["message"]


def test_as_many_faults_as_are_listed_have_no_word_about_more(ingest):
    assert len(ingest([b"1\n" * MOST_FAULTS]).errors) == MOST_FAULTS


def test_an_input_is_not_read_behind_the_most_lines_that_it_may_have(ingest):
    batch = ingest([b"1\n" * 500_000], max_batch_lines=2000)

    first, *listed, rest = batch.errors
    assert (first["code"], first["line"]) == ("batch_request_limit_exceeded", None)
    assert "more than 2000 lines" in first["message"]
    assert len(listed) == MOST_FAULTS
    assert rest["message"].endswith(f" {2000 - MOST_FAULTS}."), "the others were not looked at"


def test_a_line_that_is_too_long_is_named_with_the_limit_and_the_next_ones_are_read(ingest):
    good = json.dumps(line("a")).encode() + b"\n"
    exact = json.dumps(line("b")).encode().ljust(len(good) + 99) + b"\n"

    batch = ingest([good, b"x" * 1000 + b"\n", exact, b"nonsense\n", good], max_body_bytes=len(exact))

    assert [(error["code"], error["line"]) for error in batch.errors] == [
        ("invalid_request", 2),
        ("invalid_json_line", 4),
        ("duplicate_custom_id", 5),
    ]
    assert f"longer than {len(exact)} bytes" in batch.errors[0]["message"]


def test_a_line_that_is_too_long_is_never_held_whole(ingest):
    big = (b"x" * MIB for _ in range(64))
    tracemalloc.start()
    try:
        batch = ingest(big, max_body_bytes=MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    (error,) = batch.errors
    assert (error["line"], batch.status) == (1, BatchStatus.FAILED)
    assert peak < 16 * MIB


def test_an_input_of_good_lines_is_taken_whole_under_the_same_bounds(ingest):
    content = [json.dumps(one).encode() + b"\n" for one in many(1200)]

    batch = ingest(content, max_batch_lines=1200, max_body_bytes=max(map(len, content)))

    assert (batch.status, batch.ingested, batch.errors) == (BatchStatus.IN_PROGRESS, 1200, None)
