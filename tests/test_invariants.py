"""The checker of the invariants sees each of them broken."""

import base64
import json
import time

import pytest
import redis
from sqlalchemy import update

from headrace.files import path_of
from headrace.models import File
from headrace.output import output_line
from headrace.states import BatchStatus, JobState
from headrace.store import batches, reading, tables
from tests.invariants import Cancelled, Violated, check, check_rows
from tests.pace import Limits
from tests.scene import USAGE, WORKER, failed, retried, snoozed, succeeded
from tests.witness import ALL_TOKENS, Call, tokens_of

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)

BILL = tokens_of([USAGE], ALL_TOKENS)


class Told(list[Call]):
    """Calls that a witness might tell of."""

    def calls(self):
        return list(self)


def call(flight, status=200, **change):
    values = {
        "attempt": flight.attempt_id,
        "model": "m",
        "at": time.time(),
        "status": status,
        "fault": None,
        "usage": BILL if status == 200 else None,
        "tokens": 30,
    }
    return Call(**{**values, **change})


@pytest.fixture
def scenario(store, tmp_path):
    """A batch of three that is over, one of which was called twice: its witness and its files."""
    batch_id = store.batch(3)
    first, *others = store.fly()
    calls = Told([call(first, 500), *map(call, others)])
    store.land(retried(first, status_code=500), succeeded(others[0]), succeeded(others[1]))
    (again,) = store.fly()
    calls.append(call(again, 400))
    store.land(failed(again))
    with store.db.begin() as session:
        rows = reading.results(session, batch_id, after=0, limit=10)
        files = {}
        for kind, state in (("o", JobState.SUCCEEDED), ("e", JobState.FAILED)):
            lines = [output_line(row) for row in rows if row.state == state]
            path_of(tmp_path, f"file-{kind}").write_bytes(b"".join(lines))
            files[kind] = File(
                id=f"file-{kind}", api_key_id=store.key_id, purpose="batch_output", filename=kind, bytes=1
            )
        assert batches.finish(session, batch_id, BatchStatus.COMPLETED, files["o"], files["e"])
    return batch_id, calls, tmp_path


def broken(store, calls, **more):
    with pytest.raises(Violated) as violated:
        check(store.db, [calls], **more)
    return str(violated.value)


def test_a_sound_scenario_is_accounted_for(store, scenario):
    _, calls, folder = scenario

    account = check(store.db, [calls], files=folder)

    assert account == (3, 4, 4, 2, 0, 1, 60, 60)
    assert account.extra_calls == 1


def test_a_job_that_is_not_final_or_under_a_dead_worker_is_seen(store, scenario):
    _, calls, _ = scenario
    store.inline(2)
    (claimed,) = store.claim(1)
    store.set_job(claimed.job_id, worker_id="somebody-dead")

    told = broken(store, calls)

    assert "I1 still queued" in told
    assert "I1 still running" in told
    assert "I1 running under somebody-dead, which is gone" in told


def test_counters_and_numbers_that_do_not_fit_their_jobs_are_seen(store, scenario):
    batch_id, _, _ = scenario
    store.set_batch(batch_id, succeeded=1, failed=2, total_tokens=1)
    store.set_job(store.jobs(batch_id)[0].id, result_no=9, calls=5, prompt_tokens=1)

    with pytest.raises(Violated) as violated:
        check_rows(store.db)

    for name in ("I1 counts", "I2 its result numbers", "I4 5 calls", "I5 its tokens"):
        assert name in str(violated.value)


def test_a_result_that_changed_after_it_was_published_is_seen(store, scenario):
    batch_id, calls, folder = scenario
    store.set_job(store.jobs(batch_id)[1].id, answer='{"choices":[2]}')

    assert "I2 line-2 is succeeded, and its line is" in broken(store, calls, files=folder)


def test_a_call_without_a_row_and_one_before_its_row_are_seen(store, scenario):
    _, calls, _ = scenario
    calls[0] = call_at(calls[0], at=calls[0].at - 3600)
    calls.append(call_at(calls[1], attempt="att_unknown"))

    told = broken(store, calls)

    assert "I3 the row is younger than its call" in told
    assert "I3 a call of m has no attempt: att_unknown" in told


def test_unexplained_calls_and_bills_are_seen(store, scenario):
    _, calls, _ = scenario
    calls[1] = call_at(calls[1], usage={**BILL, "total_tokens": 31})
    calls.append(calls[2])
    missing = calls.pop(0)

    told = broken(store, calls)

    assert "I4 called 2 times" in told
    assert f"I4 ambiguous without a call: {missing.attempt}" in told
    assert "I5 billed" in told


def test_too_many_calls_in_a_window_and_calls_after_a_cancel_are_seen(store, scenario):
    batch_id, calls, _ = scenario
    now = time.time()
    calls = Told(call_at(each, at=now + 15 * place) for place, each in enumerate(calls))
    check(store.db, [calls], limits=Limits(rpm=3, tpm=90), cancelled=[Cancelled(batch_id, now + 45)])

    told = broken(store, calls, limits=Limits(rpm=2, tpm=80), cancelled=[Cancelled(batch_id, now)])

    assert "I6 4 requests in 60 s, and 3 are allowed" in told
    assert "I6 120 tokens in 60 s, and 111 are allowed" in told
    assert "I8 called" in told


def test_a_secret_is_seen_wherever_it_lies(store, scenario, redis_client_url, tmp_path):
    _, calls, _ = scenario
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/worker.log").write_text("it failed: canary-1")
    message = {"body": base64.b64encode(b'["canary-2"]').decode()}
    with redis.Redis.from_url(redis_client_url) as client:
        client.lpush("queue", json.dumps(message))
        client.hset("quota", "reason", "canary-3")
        told = broken(
            store,
            calls,
            redis=client,
            logs=[tmp_path / "logs"],
            bodies=["no, canary-4"],
            secrets=[f"canary-{number}" for number in range(1, 6)],
        )

    assert told.count("I9") == 4


def refused_once(store):
    """A job that succeeded at its second call; the witness."""
    (job_id,) = store.inline()
    (flight,) = store.fly()
    calls = Told([call(flight, 429)])
    store.land(snoozed(flight, status_code=429))
    (again,) = store.fly()
    store.land(succeeded(again))
    return job_id, Told([*calls, call(again)])


def test_an_attempt_that_a_refused_call_cost_is_seen(store):
    job_id, calls = refused_once(store)
    check(store.db, [calls])
    store.set_job(job_id, attempts=2)

    assert "I4 2 attempts counted, and 1 calls cost one" in broken(store, calls)


def test_an_attempt_more_is_no_violation_after_a_crash_or_a_release(store):
    job_id, calls = refused_once(store)
    store.set_job(job_id, attempts=2)

    check(store.db, [calls], released=[job_id])
    store.set_job(job_id, crashes=1)
    check(store.db, [calls])


def test_an_attempt_that_never_ended_is_seen(store):
    store.inline()
    (flight,) = store.fly()

    told = broken(store, Told([call(flight)]), allow=[JobState.RUNNING])

    assert "I4 the attempt never ended" in told
    with store.db.begin() as session:
        session.execute(update(tables.workers).where(tables.workers.c.id == WORKER).values(id="another"))
    assert "which is gone" in broken(store, Told([call(flight)]), allow=[JobState.RUNNING])


def call_at(told, **change):
    return Call(**{**{name: getattr(told, name) for name in Call.__dataclass_fields__}, **change})
