"""With `invalid_lines: skip`, lines that cannot run are failed results at once, and the others run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from headrace.dispatch import FINALISE
from headrace.files import path_of
from headrace.output import output_line
from headrace.settings import Settings
from headrace.states import BatchStatus, JobState
from headrace.store import batches, jobs, reading, tables
from tests.batch_input import given, ingesting, line, many
from tests.invariants import check_rows
from tests.kinds import each_database_in_faults
from tests.scene import LANE, new_job, succeeded
from worker.finalise import finalise
from worker.slices import MOST_LINES

pytest_plugins = ["tests.databases", "tests.hints", "tests.sweeper_fixtures"]
pytestmark = pytest.mark.usefixtures("hints")

ROOT = Path(__file__).parent.parent
DEADLINE_SECONDS = 60.0
SLICE = MOST_LINES  # lines that become rows together


@pytest.fixture
def settings(tmp_path, redis_client_url):
    return Settings(data_dir=tmp_path, redis_url=redis_client_url, max_attempts=4)


@pytest.fixture
def ingest(store, settings):
    """Writes an input, makes a batch of it that skips what cannot run, and ingests that."""

    def run(*lines, **change):
        batch_id = skipping(store, settings, *lines)
        ingesting(store, settings.model_copy(update=change), batch_id).run()
        return store.batch_row(batch_id)

    return run


def skipping(store, settings, *lines):
    batch_id = given(store, settings, *lines)
    store.set_batch(batch_id, skip_invalid=True)
    return batch_id


def results(store, batch_id):
    with store.db.read() as session:
        rows = reading.results(session, batch_id, after=0, limit=10_000)
    return [json.loads(output_line(row)) for row in rows]


def test_bad_lines_are_failed_results_and_the_others_wait_for_their_turn(ingest, store, hints):
    batch = ingest(
        b"nonsense", line("good"), line("stream", body={"stream": True}), line("get", method="GET")
    )

    assert (batch.status, batch.errors, batch.model) == (BatchStatus.IN_PROGRESS, None, LANE)
    assert (batch.total, batch.ingested, batch.succeeded, batch.failed) == (4, 4, 0, 3)
    rows = store.jobs(batch.id)
    assert {job.line: job.state for job in rows} == {1: "failed", 2: "queued", 3: "failed", 4: "failed"}
    bad = [job for job in rows if job.state == JobState.FAILED]
    assert {(job.attempts, job.calls, job.max_attempts, job.finished_at is None) for job in bad} == {
        (0, 0, 4, False)
    }
    assert [(job.line, job.custom_id, job.lane) for job in bad] == [
        (1, None, ""),
        (3, "stream", LANE),
        (4, "get", LANE),
    ]
    assert results(store, batch.id) == [
        {
            "id": f"batch_req_{job.id}",
            "custom_id": job.custom_id,
            "response": None,
            "error": {"code": code, "message": f"{message} (line {job.line})"},
        }
        for job, code, message in zip(
            bad,
            ["invalid_json_line", "streaming_unsupported", "invalid_method"],
            [
                "This line is not parseable as valid JSON.",
                "A request in a batch cannot stream.",
                "'method' must be POST.",
            ],
            strict=True,
        )
    ]
    assert hints.taken() == [("headrace.drain", LANE)]
    check_rows(store.db)


def test_no_lane_is_opened_for_a_model_that_only_bad_lines_name(ingest, store):
    ingest(line("a"), line("b", method="GET", body={"model": "nobody's"}))

    with store.db.read() as session:
        assert session.execute(select(tables.lanes.c.name)).scalars().all() == [LANE]


def test_a_batch_of_bad_lines_alone_completes_with_an_error_file_alone(ingest, store, settings, hints):
    batch = ingest(b"nonsense", b"[]", b"7")

    assert batch.status == BatchStatus.FINALIZING
    assert hints.taken() == [(FINALISE, batch.id)]
    finalise(batch.id, store.db, settings.files_dir)
    batch = store.batch_row(batch.id)
    assert (batch.status, batch.total, batch.failed) == (BatchStatus.COMPLETED, 3, 3)
    assert batch.output_file_id is None
    content = path_of(settings.files_dir, batch.error_file_id).read_bytes()
    assert [json.loads(one) for one in content.splitlines()] == results(store, batch.id)


def test_a_batch_whose_last_lines_are_bad_is_closed_by_its_ingest(store, settings, hints):
    good = many(SLICE)
    batch_id = skipping(store, settings, *good, *[b"nonsense"] * 3)
    with store.db.begin() as session:
        batches.begin(session, batch_id, total=SLICE + 3, model=LANE)
        new = [new_job(number) for number in range(1, SLICE + 1)]
        jobs.submit(session, new, api_key_id=store.key_id, batch_id=batch_id, max_attempts=3)
        read = sum(len(json.dumps(one)) + 1 for one in good)
        batches.ingested(session, batch_id, lines=SLICE, offset=read)
    assert store.land(*map(succeeded, store.fly())) == [], "the batch is not whole yet"

    ingesting(store, settings, batch_id).run()

    batch = store.batch_row(batch_id)
    assert (batch.status, batch.succeeded, batch.failed) == (BatchStatus.FINALIZING, SLICE, 3)
    assert hints.taken() == [(FINALISE, batch_id)]


def test_what_is_no_lines_fault_fails_the_batch_all_the_same(ingest):
    assert [error["code"] for error in ingest(b"", b" ").errors] == ["empty_file"]
    too_many = ingest(b"nonsense", *many(3), max_batch_lines=3)
    assert too_many.status == BatchStatus.FAILED
    assert [error["code"] for error in too_many.errors] == ["batch_request_limit_exceeded"]
    assert too_many.total == 0


def test_a_line_that_is_too_long_is_skipped_like_any_other(ingest, store):
    good = json.dumps(line("a")).encode()

    batch = ingest(good, b"x" * 5000, line("b"), max_body_bytes=len(good) + 1)

    assert (batch.total, batch.failed) == (3, 1)
    (bad,) = results(store, batch.id)
    assert bad["error"]["code"] == "invalid_request"
    assert bad["error"]["message"].endswith("(line 2)")


@pytest.mark.parametrize("most", [100, 10_000])
def test_a_blank_line_is_none_however_long_it_is(ingest, store, most):
    batch = ingest(line("a"), b" " * 5000, b" " * 5000 + b"x", max_body_bytes=most + 100)

    assert batch.total == 2
    assert {job.line for job in store.jobs(batch.id)} == {1, 3}


def test_of_lines_with_one_custom_id_the_first_keeps_it_good_or_bad(ingest, store):
    batch = ingest(line("a"), line("a"), line("b", method="GET"), line("b"), line("c"), line("a"))

    bad = {job.line: job.error_code for job in store.jobs(batch.id) if job.state == JobState.FAILED}
    assert bad == {
        2: "duplicate_custom_id",
        3: "invalid_method",
        4: "duplicate_custom_id",
        6: "duplicate_custom_id",
    }


def test_a_cancel_ends_the_others_and_leaves_bad_lines_what_they_are(ingest, store, settings, sweeper):
    batch = ingest(line("a"), b"nonsense")
    store.cancel_batch(batch.id)
    sweeper.sweep()
    finalise(batch.id, store.db, settings.files_dir)

    batch = store.batch_row(batch.id)
    assert (batch.status, batch.failed, batch.cancelled) == (BatchStatus.CANCELLED, 1, 1)
    codes = [result["error"]["code"] for result in results(store, batch.id)]
    assert codes == ["invalid_json_line", "batch_cancelled"]


def mixed():
    """Three slices: each seventh line is bad, and each hundredth has the custom_id of one before."""
    lines: list[Any] = many(2 * SLICE + 200)
    for place in range(6, len(lines), 7):
        lines[place] = line(f"bad-{place}", method="GET") if place % 2 else b"nonsense"
    for place in range(99, len(lines), 100):
        lines[place] = line(f"line-{place % 7 + 1}")
    return lines


def fates(store, batch_id):
    return [(job.line, job.custom_id, job.state, job.error_code) for job in store.jobs(batch_id)]


@pytest.fixture
def undisturbed(store, settings):
    """What becomes of the mixed lines when nothing happens to the ingest."""
    batch_id = skipping(store, settings, *mixed())
    ingesting(store, settings, batch_id).run()
    return sorted(fates(store, batch_id))


@each_database_in_faults
@pytest.mark.parametrize(
    "where", ["before-commit=kill@2", "before-commit=kill@4", "after-commit=kill@2", "after-commit=kill@3"]
)
def test_wherever_an_ingest_is_killed_no_line_is_lost_or_doubled(store, settings, undisturbed, where):
    batch_id = skipping(store, settings, *mixed())
    url = store.db.engine.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.ingesting", url, str(settings.data_dir), batch_id],
        cwd=ROOT,
        env=os.environ | {"HEADRACE_REDIS_URL": settings.redis_url, "HEADRACE_FAILPOINTS": where},
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert killed.returncode == -9
    assert store.batch_row(batch_id).ingested < len(undisturbed)
    check_rows(store.db)

    for _ in range(2):
        ingesting(store, settings, batch_id).run()

    assert sorted(fates(store, batch_id)) == undisturbed
    batch = store.batch_row(batch_id)
    assert batch.total == batch.ingested == len(undisturbed)
    assert batch.failed == sum(state == JobState.FAILED for _, _, state, _ in undisturbed) > 150
    check_rows(store.db)
    store.land(*map(succeeded, store.fly(4000)))
    assert store.batch_row(batch_id).status == BatchStatus.FINALIZING
