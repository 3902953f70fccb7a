"""Long lines become rows a few at a time: an ingest holds no more of an input than it must."""

import json
import tracemalloc
from contextlib import contextmanager

import gevent
import pytest

from headrace.files import path_of
from headrace.settings import Settings
from headrace.store.jobs import NewJob
from headrace.tags import TagSets
from tests.batch_input import INPUT, given, ingesting, line
from worker import slices
from worker.input_lines import Line
from worker.line_check import LineRules, job_of

pytest_plugins = ["tests.databases", "tests.hints"]
pytestmark = pytest.mark.usefixtures("hints")

MIB = 1024 * 1024


@pytest.fixture
def settings(tmp_path, redis_client_url):
    return Settings(data_dir=tmp_path, redis_url=redis_client_url)


def long_lines(store, settings, count, size):
    """A batch of lines of so many bytes each, but for a few."""
    batch_id = given(store, settings, line())
    text = "x" * size
    with path_of(settings.files_dir, INPUT).open("wb") as file:
        for number in range(count):
            asked = line(f"line-{number}", body={"messages": [{"role": "user", "content": text}]})
            file.write(json.dumps(asked).encode() + b"\n")
    return batch_id


@pytest.mark.parametrize("skip", [False, True])
def test_a_slice_has_a_bound_in_bytes_and_one_in_lines(store, settings, monkeypatch, skip):
    batch_id = long_lines(store, settings, 25, 1900)
    store.set_batch(batch_id, skip_invalid=skip)
    source = path_of(settings.files_dir, INPUT)
    rules = LineRules("/v1/chat/completions", lambda _: True, MIB, TagSets())

    def sizes():
        return [slice_.lines for slice_ in slices.slices(source, store.batch_row(batch_id), rules)]

    assert sizes() == [25]
    monkeypatch.setattr(slices, "MOST_BYTES", 10_000)
    assert sizes() == [5] * 5
    monkeypatch.setattr(slices, "MOST_LINES", 3)
    assert sizes() == [3] * 8 + [1]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_an_input_of_long_lines_is_never_held_whole(store, settings, monkeypatch):
    monkeypatch.setattr(slices, "MOST_BYTES", MIB)
    batch_id = long_lines(store, settings, 80, MIB // 2)
    tracemalloc.start()
    try:
        ingesting(store, settings, batch_id).run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert store.batch_row(batch_id).ingested == 80
    assert peak < 20 * MIB, "of 40 MiB"


@contextmanager
def counting_turns():
    """A list that gets longer each time that others may run."""
    turns = []

    def take_turns():
        while True:
            turns.append(1)
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    try:
        yield turns
    finally:
        other.kill()


@pytest.mark.parametrize("size", [20 * 1024, 100 * 1024])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_others_run_for_each_few_megabytes_that_are_validated_and_inserted(store, settings, size, skip):
    batch_id = long_lines(store, settings, 12 * MIB // size, size)
    store.set_batch(batch_id, skip_invalid=skip)

    with counting_turns() as turns:
        ingesting(store, settings, batch_id).run()

    assert store.batch_row(batch_id).ingested == 12 * MIB // size
    assert len(turns) >= 2 * 12 / 2, "12 MiB are read twice"


@pytest.mark.parametrize("size", [20 * 1024, 100 * 1024])
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_others_run_while_lines_that_are_rows_already_are_read_again(store, settings, size):
    batch_id = long_lines(store, settings, 12 * MIB // size, size)
    source = path_of(settings.files_dir, INPUT)
    store.set_batch(batch_id, skip_invalid=True, ingest_offset=source.stat().st_size)
    rules = LineRules("/v1/chat/completions", lambda _: True, MIB, TagSets())

    with counting_turns() as turns:
        assert list(slices.slices(source, store.batch_row(batch_id), rules)) == []

    assert len(turns) >= 12 / 2


def test_others_run_while_one_long_line_is_parsed():
    raw = json.dumps(line(body={"deep": [[]] * MIB})).encode()
    rules = LineRules("/v1/chat/completions", lambda _: True, 16 * MIB, TagSets())

    with counting_turns() as turns:
        checked = job_of(Line(7, raw, len(raw)), rules)

    assert isinstance(checked, NewJob)
    assert turns
