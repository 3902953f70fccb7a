"""A batch's window ends it wherever it is, with what it has by then and a word about the rest."""

import json
from collections import Counter
from datetime import timedelta

import pytest

from headrace.clock import now
from headrace.files import path_of
from headrace.settings import Settings
from headrace.states import BatchStatus
from headrace.windows import is_window, length_of
from tests.batch_input import given, ingesting, line, many
from tests.scene import succeeded
from worker.finalise import finalise

pytest_plugins = ["tests.databases", "tests.hints", "tests.sweeper_fixtures"]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(tmp_path, redis_client_url):
    return Settings(data_dir=tmp_path, redis_url=redis_client_url)


def short(store, settings, *lines, **values):
    """A batch of these lines that has a minute."""
    batch_id = given(store, settings, *lines)
    store.set_batch(batch_id, completion_window="1m", expires_at=now() + MINUTE, **values)
    return batch_id


def pass_window(store, batch_id):
    store.set_batch(batch_id, expires_at=now() - timedelta(seconds=1))


def ended(store, settings, sweeper, batch_id):
    sweeper.sweep()
    finalise(batch_id, store.db, settings.files_dir)
    return store.batch_row(batch_id)


def codes(settings, file_id):
    content = path_of(settings.files_dir, file_id).read_bytes()
    return Counter(json.loads(one)["error"]["code"] for one in content.splitlines())


def test_what_was_answered_is_kept_and_the_rest_is_named(store, settings, sweeper):
    batch_id = short(store, settings, *many(5))
    ingesting(store, settings, batch_id).run()
    first, second, third = store.fly(3)
    store.land(succeeded(first), succeeded(second))
    pass_window(store, batch_id)
    sweeper.sweep()
    assert store.batch_row(batch_id).status == BatchStatus.IN_PROGRESS, "a call is under way, and paid for"
    store.land(succeeded(third))

    batch = ended(store, settings, sweeper, batch_id)

    assert (batch.status, batch.succeeded, batch.expired) == (BatchStatus.EXPIRED, 3, 2)
    assert batch.expired_at is not None
    assert len(path_of(settings.files_dir, batch.output_file_id).read_bytes().splitlines()) == 3
    assert codes(settings, batch.error_file_id) == {"batch_expired": 2}


@pytest.mark.parametrize("skip", [False, True])
def test_a_batch_that_was_not_validated_by_then_is_expired_with_every_line(store, settings, sweeper, skip):
    lines = [line("a"), line("b"), *([b"nonsense"] if skip else [])]
    batch_id = short(store, settings, *lines, skip_invalid=skip)
    pass_window(store, batch_id)

    ingesting(store, settings, batch_id).run()
    batch = ended(store, settings, sweeper, batch_id)

    assert (batch.status, batch.total, batch.expired) == (BatchStatus.EXPIRED, len(lines), 2)
    assert batch.output_file_id is None
    bad = {"invalid_json_line": 1} if skip else {}
    assert codes(settings, batch.error_file_id) == {"batch_expired": 2, **bad}


def test_an_input_that_is_no_good_fails_even_then(store, settings):
    batch_id = short(store, settings, b"nonsense")
    pass_window(store, batch_id)

    ingesting(store, settings, batch_id).run()

    assert store.batch_row(batch_id).status == BatchStatus.FAILED


def test_nothing_departs_when_the_window_is_over(store, settings):
    batch_id = short(store, settings, *many(2))
    ingesting(store, settings, batch_id).run()
    claims = store.claim()
    pass_window(store, batch_id)

    assert store.depart(claims) == []
    assert store.batch_row(batch_id).expired == 2


@pytest.mark.parametrize(
    ("window", "length"), [("1m", MINUTE), ("36h", 36 * 60 * MINUTE), ("7d", timedelta(7))]
)
def test_a_window_has_a_length(window, length):
    assert is_window(window)
    assert length_of(window) == length


@pytest.mark.parametrize(
    "text", ["", "m", "0m", "-1m", "1s", "31d", "721h", "1 h", "1h\n", "\u0661h", "99999999999d"]
)
def test_other_text_is_no_window(text):
    assert not is_window(text)
