"""A worker process, real but for its provider: `celery -A worker worker -P gevent`."""

import json
import subprocess
import time
from collections import defaultdict

import pytest
import redis

from headrace.files import path_of
from headrace.states import BatchStatus, JobState
from headrace.store import workers
from tests.batch_input import line, many
from tests.kinds import on_sqlite
from tests.plant import KEY, Worker
from tests.simulated import eventually
from tests.witness import assert_explained, attempts_of, tokens_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


def chat(*turns, custom_id="a", **body):
    roles = ("user", "assistant")
    messages = [{"role": roles[turn % 2], "content": content} for turn, content in enumerate(turns)]
    return line(custom_id, body={"messages": messages, **body})


def output_of(plant, file_id):
    lines = path_of(plant.settings.files_dir, file_id).read_bytes().split(b"\n")[:-1]
    return {answer["custom_id"]: answer for answer in map(json.loads, lines)}


def jobs_by_state(plant, batch_id):
    found = defaultdict(list)
    for job in plant.store.jobs(batch_id):
        found[job.state].append(job)
    return found


def test_a_batch_of_conversations_is_answered_and_accounted_for(plant):
    witness = plant.provider()
    worker = plant.worker()
    prompts = [
        chat("The secret of the mill?", custom_id="english"),
        chat("水车为什么会转？", custom_id="chinese"),
        chat("Why?", "Because.", "And why is that?", custom_id="turns"),
        chat("[[sim:400]]", custom_id="refused"),
        chat("[[sim:500x1]] once more", custom_id="retried"),
        *many(60),
    ]

    batch = plant.finished(plant.submit(*prompts))

    assert (batch.status, batch.total, batch.succeeded, batch.failed) == (BatchStatus.COMPLETED, 65, 64, 1)
    answers = output_of(plant, batch.output_file_id)
    assert set(answers) == {prompt["custom_id"] for prompt in prompts} - {"refused"}
    calls, attempts = witness.calls(), attempts_of(plant.store.db, batch.id)
    assert_explained(calls, attempts)
    assert len(calls) == len(attempts) == 66
    billed = tokens_of(call.usage for call in calls if call.was_answered)
    assert (
        billed == tokens_of([batch]) == tokens_of(plant.store.jobs(batch.id)) == tokens_of(attempts.values())
    )

    refused = output_of(plant, batch.error_file_id)["refused"]
    assert refused["response"]["status_code"] == 400
    assert refused["response"]["body"]["error"]["code"] == "invalid_value"
    assert refused["response"]["request_id"].startswith("req_")
    assert refused["error"] is None

    log = worker.log.read_text()
    assert not [secret for secret in (KEY, "secret of the mill", "水车") if secret in log]


@on_sqlite
def test_every_endpoint_is_called(plant):
    plant.provider()
    plant.worker()
    bodies: dict[str, dict[str, object]] = {
        "/v1/completions": {"prompt": "Once"},
        "/v1/embeddings": {"input": ["你好", "Hello"]},
        "/v1/responses": {"input": "Hello"},
    }

    for endpoint, body in bodies.items():
        request = {**line("a", url=endpoint), "body": {"model": "m", **body}}
        batch = plant.finished(plant.submit(request, endpoint=endpoint))

        assert batch.succeeded == 1
        answer = output_of(plant, batch.output_file_id)["a"]["response"]
        assert answer["status_code"] == 200
        assert batch.total_tokens == answer["body"]["usage"]["total_tokens"] > 0


@pytest.mark.slow
@on_sqlite
def test_a_stopping_worker_shows_that_it_lives_while_calls_are_under_way(plant):
    witness = plant.provider(latency_ms=16_000, latency_spread=0)
    worker = plant.worker(call_timeout_seconds=60)
    batch_id = plant.submit(*many(1))
    eventually(lambda: witness.count("in_flight") == 1, 20)

    worker.process.terminate()
    beats = counter(plant, worker)
    eventually(lambda: counter(plant, worker) > beats, 15)

    assert worker.process.wait(30) == 0
    assert jobs_by_state(plant, batch_id)[JobState.SUCCEEDED]
    assert witness.count("received") == 1
    assert counter(plant, worker) is None


@pytest.mark.slow
@on_sqlite
def test_a_refused_key_pauses_everything_and_says_so_until_it_is_repaired(plant, redis_client_url):
    witness = plant.provider()
    worker = plant.worker(provider_key="sk-a-wrong-one")
    batch_id = plant.submit(*many(50))

    eventually(lambda: plant.store.batch_row(batch_id).notice, 20)
    time.sleep(2.5)  # for a sweep, which wakes nobody
    assert witness.count("received") <= 10
    notice = plant.store.batch_row(batch_id).notice
    assert "401" in notice
    assert "Incorrect API key" in notice
    waiting = {(JobState.QUEUED, 0)}
    eventually(lambda: {(job.state, job.attempts) for job in plant.store.jobs(batch_id)} == waiting)

    worker.kill()
    plant.worker()
    with redis.Redis.from_url(redis_client_url) as client:
        client.flushdb()  # as if the minute of the pause were over
    plant.let_time_pass()

    batch = plant.finished(batch_id)
    assert (batch.status, batch.succeeded, batch.notice) == (BatchStatus.COMPLETED, 50, None)
    assert_explained(witness.calls(), attempts_of(plant.store.db, batch_id))


@on_sqlite
def test_a_request_above_the_whole_tpm_fails_and_does_not_hold_up_the_rest(plant):
    plant.provider(tpm=60_000)
    plant.worker(tpm=60_000)
    large = chat("All of it. " * 25_000, custom_id="large", max_tokens=10)

    batch = plant.finished(
        plant.submit(large, *(chat("Hi", custom_id=str(n), max_tokens=9) for n in range(5)))
    )

    assert (batch.status, batch.succeeded, batch.failed) == (BatchStatus.COMPLETED, 5, 1)
    refused = output_of(plant, batch.error_file_id)["large"]["response"]
    assert refused["status_code"] == 429
    assert "Request too large" in refused["body"]["error"]["message"]
    assert [job.attempts for job in plant.store.jobs(batch.id) if job.custom_id == "large"] == [1]


@pytest.mark.parametrize(
    ("pool", "settings", "reason"),
    [
        ("threads", {}, "-P gevent"),
        ("gevent", {"provider_url": "http://127.0.0.1:1/"}, "ends in /v1"),
        ("gevent", {"config": "nowhere.toml"}, "nowhere.toml"),
    ],
)
@on_sqlite
def test_a_worker_that_cannot_work_does_not_start(plant, tmp_path, pool, settings, reason):
    worker = Worker(plant.settings_with(**settings), tmp_path / "worker.log", pool=pool)
    try:
        status = worker.process.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        raise

    assert status != 0
    assert reason in worker.log.read_text()


def counter(plant, worker):
    with plant.store.db.read() as session:
        return workers.counters(session).get(worker.id)
