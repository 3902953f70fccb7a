"""However often a batch is ingested, and wherever an ingest was killed, each line becomes one job."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from headrace.config import load_config
from headrace.settings import Settings
from headrace.states import BatchStatus, JobState
from headrace.store import batches, jobs
from tests.batch_input import given, ingesting, line, many
from tests.scene import new_job
from tests.simulated import eventually
from worker.ingest import Ingest
from worker.stopping import StopFlag

pytest_plugins = ["tests.databases", "tests.hints"]
pytestmark = pytest.mark.usefixtures("hints")

ROOT = Path(__file__).parent.parent
DEADLINE_SECONDS = 30.0


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


def test_an_ingest_that_comes_late_leaves_a_cancel_of_the_running_batch_alone(postgresql, settings):
    store = postgresql
    batch_id = given(store, settings, *many(2))
    late = threading.Thread(target=ingesting(store, settings, batch_id).run)

    with store.db.begin() as session:
        batches.lock(session, batch_id)
        late.start()  # it validates, and then waits for the lock
        eventually(lambda: waits_for_a_lock(store))
        batches.begin(session, batch_id, total=2, model="small-model")
        jobs.submit(session, [new_job(1)], api_key_id=store.key_id, batch_id=batch_id, max_attempts=3)
        batches.ingested(session, batch_id, lines=1, offset=len(json.dumps(line("line-1"))) + 1)
        batches.request_cancel(session, batch_id)
    late.join(DEADLINE_SECONDS)

    batch = store.batch_row(batch_id)
    assert (batch.status, batch.total, batch.ingested) == (BatchStatus.CANCELLING, 2, 2)
    assert store.end_waiting(batch_id, JobState.CANCELLED) == 2


@pytest.mark.parametrize("again", [1, 3])
def test_a_batch_is_ingested_once_however_often_it_is_asked_for(store, settings, again):
    batch_id = given(store, settings, *many(1200))

    for _ in range(1 + again):
        ingesting(store, settings, batch_id).run()

    assert_every_line_is_there_once(store, batch_id, 1200)


def test_ingests_of_one_batch_at_once_neither_repeat_nor_lose_a_line(store, settings):
    batch_id = given(store, settings, *many(3000))
    together = [threading.Thread(target=ingesting(store, settings, batch_id).run) for _ in range(3)]

    for thread in together:
        thread.start()
    for thread in together:
        thread.join(DEADLINE_SECONDS)
    ingesting(store, settings, batch_id).run()  # each gives way to the others, perhaps all of them

    assert_every_line_is_there_once(store, batch_id, 3000)


def test_a_worker_that_stops_leaves_the_input_to_others(store, settings):
    batch_id, stop = given(store, settings, *many(3)), StopFlag()
    stop.set(grace_seconds=60)
    signal.setitimer(signal.ITIMER_REAL, 0)  # the watchdog is not for the process of these tests

    Ingest(batch_id, store.db, settings, load_config(settings), stop).run()

    assert store.batch_row(batch_id).status == BatchStatus.VALIDATING
    ingesting(store, settings, batch_id).run()
    assert_every_line_is_there_once(store, batch_id, 3)


def test_a_killed_ingest_is_taken_up_where_it_was(store, settings, redis_client_url):
    batch_id = given(store, settings, *many(4000))
    url = store.db.engine.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ingesting", url, str(settings.data_dir), batch_id],
        cwd=ROOT,
        env=os.environ | {"HEADRACE_REDIS_URL": redis_client_url},
    ) as child:
        eventually(lambda: store.batch_row(batch_id).ingested, DEADLINE_SECONDS)
        child.kill()
    half_way = store.batch_row(batch_id).ingested
    assert 0 < half_way < 4000
    assert len(store.jobs(batch_id)) == half_way

    ingesting(store, settings, batch_id).run()

    assert_every_line_is_there_once(store, batch_id, 4000)


def assert_every_line_is_there_once(store, batch_id, count):
    batch = store.batch_row(batch_id)
    assert (batch.status, batch.total, batch.ingested) == (BatchStatus.IN_PROGRESS, count, count)
    found = Counter((job.line, job.custom_id) for job in store.jobs(batch_id))
    assert found == Counter((number, f"line-{number}") for number in range(1, count + 1))


def waits_for_a_lock(store):
    with store.db.read() as session:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return session.execute(waiting).scalar()
