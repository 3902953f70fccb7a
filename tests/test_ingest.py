"""A batch's input is checked: all of its lines become jobs, or none."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from headrace.clock import now
from headrace.config import Config, Model, Provider, Quota
from headrace.models import File
from headrace.settings import Settings
from headrace.states import BatchStatus, JobState
from headrace.store import keys
from tests.batch_input import INPUT, given, ingesting, line, many

pytest_plugins = ["tests.databases", "tests.hints"]
pytestmark = pytest.mark.usefixtures("hints")


@pytest.fixture
def settings(tmp_path, redis_client_url):
    return Settings(data_dir=tmp_path, redis_url=redis_client_url, max_batch_lines=100_000, max_attempts=4)


@pytest.fixture
def ingest(store, settings):
    """Writes an input, makes a batch of it, and ingests that."""

    def run(*lines, config=None, **change):
        batch_id = given(store, settings, *lines)
        ingesting(store, settings.model_copy(update=change), batch_id, config).run()
        return store.batch_row(batch_id)

    return run


def test_every_line_is_a_job(ingest, store, hints):
    batch = ingest(line("a"), line("b", body={"max_tokens": 50}))

    assert (batch.status, batch.total, batch.ingested) == (BatchStatus.IN_PROGRESS, 2, 2)
    assert (batch.model, batch.errors) == ("small-model", None)
    first, second = store.jobs(batch.id)
    assert (first.custom_id, first.line, first.state) == ("a", 1, JobState.QUEUED)
    assert (first.endpoint, first.lane, first.max_attempts) == ("/v1/chat/completions", "small-model", 4)
    assert (second.custom_id, second.line, second.completion_cap) == ("b", 2, 50)
    (claimed, _) = store.claim()
    assert json.loads(claimed.body) == line("a")["body"]
    assert hints.taken() == [("headrace.drain", "small-model")]


def test_blank_lines_are_left_out_and_counted_as_lines(ingest, store):
    batch = ingest(b"", line("a"), b"  \t\r", line("b"), b"", b"")

    assert batch.total == 2
    assert [(job.line, job.custom_id) for job in store.jobs(batch.id)] == [(2, "a"), (4, "b")]


def test_a_batch_of_several_models_has_no_model_and_wakes_every_lane(ingest, hints):
    batch = ingest(line("a"), line("b", body={"model": "large-model"}))

    assert batch.model is None
    assert {subject for _, subject in hints.taken()} == {"small-model", "large-model"}


MISSING = "missing_required_parameter"
BAD_LINES = {
    "no JSON": (b'{"custom_id": ', "invalid_json_line", None),
    "no object": (b'["a"]', "invalid_json_line", None),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(line()).encode(), "invalid_json_line", None),
    "no UTF-8": (b'{"custom_id": "\xff"}', "invalid_json_line", None),
    "NaN": (b'{"custom_id": NaN}', "invalid_json_line", None),
    "far too deep": (b'{"body":' + b"[" * 5000 + b"]" * 5000 + b"}", "invalid_json_line", None),
    "no custom_id": (line(custom_id=...), MISSING, "custom_id"),
    "null custom_id": (line(custom_id=None), MISSING, "custom_id"),
    "empty custom_id": (line(custom_id=""), "invalid_request", "custom_id"),
    "a number as custom_id": (line(custom_id=5), "invalid_request", "custom_id"),
    "no method": (line(method=...), MISSING, "method"),
    "wrong method": (line(method="GET"), "invalid_method", "method"),
    "no url": (line(url=...), MISSING, "url"),
    "another url": (line(url="/v1/embeddings"), "invalid_url", "url"),
    "no body": ({**line(), "body": None}, MISSING, "body"),
    "a body that is a list": ({**line(), "body": [1]}, "invalid_request", "body"),
    "a deep body": (line(body={"metadata": json.loads("[" * 70 + "]" * 70)}), "invalid_request", "body"),
    "no model": (line(body={"model": None}), "invalid_request", "body.model"),
    "a list as model": (line(body={"model": ["m"]}), "invalid_request", "body.model"),
    "no messages": (line(body={"messages": None}), "invalid_request", "body.messages"),
    "empty messages": (line(body={"messages": []}), "invalid_request", "body.messages"),
    "messages that are text": (line(body={"messages": "Hello"}), "invalid_request", "body.messages"),
    "a stream": (line(body={"stream": True}), "streaming_unsupported", "body.stream"),
}


@pytest.mark.parametrize(("bad", "code", "param"), BAD_LINES.values(), ids=BAD_LINES)
def test_one_bad_line_fails_the_batch_and_nothing_runs(ingest, store, hints, bad, code, param):
    batch = ingest(line("first"), bad, line("last"))

    assert batch.status == BatchStatus.FAILED
    assert batch.failed_at is not None
    (error,) = batch.errors
    assert (error["code"], error["param"], error["line"]) == (code, param, 2)
    assert error["message"]
    assert store.jobs(batch.id) == []
    assert hints.taken() == []


def test_every_bad_line_has_an_entry_in_order(ingest):
    batch = ingest(b"nonsense", line("a"), b"", line("a"), line("b", url="/v1/other"), line("a"))

    assert [(error["code"], error["param"], error["line"]) for error in batch.errors] == [
        ("invalid_json_line", None, 1),
        ("duplicate_custom_id", "custom_id", 4),
        ("invalid_url", "url", 5),
        ("duplicate_custom_id", "custom_id", 6),
    ]
    assert "'a'" in batch.errors[1]["message"]


def test_a_model_that_is_not_configured_is_not_found(ingest):
    provider = Provider(name="p", base_url="http://127.0.0.1:1/v1")
    models = {"small-model": Model(name="small-model", quota="q")}
    config = Config(providers={"p": provider}, quotas={"q": Quota(name="q", provider="p")}, models=models)

    batch = ingest(line("a"), line("b", body={"model": "other"}), config=config)

    (error,) = batch.errors
    assert (error["code"], error["param"], error["line"]) == ("model_not_found", "body.model", 2)
    assert "other" in error["message"]


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_an_empty_file_fails(ingest, content):
    (error,) = ingest(content).errors

    assert (error["code"], error["param"], error["line"]) == ("empty_file", None, None)


def test_too_many_lines_fail_and_say_how_many_may_be(ingest):
    assert ingest(*many(3), max_batch_lines=3).status == BatchStatus.IN_PROGRESS


def test_one_line_too_many_fails(ingest):
    (error,) = ingest(*many(4), max_batch_lines=3).errors

    assert (error["code"], error["line"]) == ("batch_request_limit_exceeded", None)
    assert "more than 3 lines" in error["message"]


@pytest.mark.parametrize("lacking", ["the row", "the purpose", "the key", "the time"])
def test_a_file_that_cannot_be_read_fails_the_batch(store, settings, lacking):
    batch_id = given(store, settings, line(), purpose="user_data" if lacking == "the purpose" else "batch")
    with store.db.begin() as session:
        if lacking == "the row":
            session.execute(delete(File))
        if lacking == "the key":
            another, _ = keys.create(session, "another")
            session.execute(update(File).values(api_key_id=another.id))
        if lacking == "the time":
            session.execute(update(File).values(expires_at=now() - timedelta(minutes=1)))

    ingesting(store, settings, batch_id).run()

    batch = store.batch_row(batch_id)
    assert batch.status == BatchStatus.FAILED
    assert batch.errors
    (error,) = batch.errors
    assert (error["code"], error["param"], error["line"]) == ("invalid_request", "file_id", None)
    assert INPUT in error["message"]


def test_a_file_whose_time_ends_when_the_batch_is_made_already_is_read(store, settings):
    batch_id = given(store, settings, *many(3))
    with store.db.begin() as session:
        session.execute(update(File).values(expires_at=now()))

    ingesting(store, settings, batch_id).run()

    assert store.batch_row(batch_id).ingested == 3


def test_a_batch_that_was_cancelled_before_it_began_ends_with_nothing(store, settings, hints):
    batch_id = given(store, settings, *many(3))
    assert store.cancel_batch(batch_id)

    ingesting(store, settings, batch_id).run()

    batch = store.batch_row(batch_id)
    assert (batch.status, batch.total) == (BatchStatus.CANCELLED, 0)
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    assert store.jobs(batch_id) == []
    assert hints.taken() == []
