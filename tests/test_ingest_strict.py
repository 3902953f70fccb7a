"""With HEADRACE_STRICT an input is judged as OpenAI does: one model, and no byte order mark."""

import json

import pytest

from headrace.settings import Settings
from headrace.states import BatchStatus
from tests.batch_input import given, ingesting, line, many

pytest_plugins = ["tests.databases", "tests.hints"]
pytestmark = pytest.mark.usefixtures("hints")

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def ingest(store, tmp_path, redis_client_url):
    """Makes a batch of these lines, and ingests that."""

    def run(*lines, strict):
        settings = Settings(data_dir=tmp_path, redis_url=redis_client_url, strict=strict)
        batch_id = given(store, settings, *lines)
        ingesting(store, settings, batch_id).run()
        return store.batch_row(batch_id)

    return run


def of_model(model, custom_id):
    return line(custom_id, body={"model": model})


def test_lines_of_another_model_than_the_first_are_each_named(ingest):
    lines = [of_model(model, str(place)) for place, model in enumerate(["m", "n", "m", "n", "o"])]

    batch = ingest(*lines, strict=True)

    assert batch.status == BatchStatus.FAILED
    assert [(error["code"], error["param"], error["line"]) for error in batch.errors] == [
        ("mismatched_model", "body.model", 2),
        ("mismatched_model", "body.model", 4),
        ("mismatched_model", "body.model", 5),
    ]
    assert "'m'" in batch.errors[0]["message"]
    assert ingest(*lines, strict=False).status == BatchStatus.IN_PROGRESS


def test_an_input_for_one_model_runs(ingest):
    batch = ingest(*many(3), strict=True)

    assert (batch.status, batch.ingested, batch.model) == (BatchStatus.IN_PROGRESS, 3, "small-model")


@pytest.mark.parametrize("end", [b"", b"\r", b" \t"])
@pytest.mark.parametrize("strict", [True, False])
def test_a_byte_order_mark_alone_is_no_line(ingest, end, strict):
    batch = ingest(BOM + end, line("a"), strict=strict)

    assert (batch.status, batch.total, batch.ingested) == (BatchStatus.IN_PROGRESS, 1, 1)


def test_a_byte_order_mark_makes_the_first_line_bad(ingest):
    first = BOM + json.dumps(line("a")).encode()

    (error,) = ingest(first, line("b"), strict=True).errors

    assert (error["code"], error["line"]) == ("invalid_json_line", 1)


@pytest.mark.parametrize("first", [json.dumps(line("a")).encode(), b""], ids=["before a line", "alone"])
def test_otherwise_a_byte_order_mark_belongs_to_no_line(ingest, store, first):
    batch = ingest(BOM + first, line("b"), strict=False)

    assert (batch.status, batch.errors) == (BatchStatus.IN_PROGRESS, None)
    assert [(job.line, job.custom_id) for job in store.jobs(batch.id)][-1] == (2, "b")
    assert batch.total == (2 if first else 1)
