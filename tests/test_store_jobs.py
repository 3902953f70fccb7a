"""Jobs are submitted, and claimed when they are due."""

from datetime import timedelta

from headrace.clock import now
from headrace.states import JobState
from headrace.store import jobs
from tests.scene import LANE, WORKER, new_job

pytest_plugins = ["tests.databases"]


def test_a_submitted_job_is_queued_and_due_and_nothing_has_happened_to_it(store):
    batch_id = store.batch(lines=2)

    for job in store.jobs(batch_id):
        assert (job.state, job.attempts, job.calls, job.crashes) == (JobState.QUEUED, 0, 0, 0)
        assert job.run_at <= now()
        assert job.finished_at is job.result_no is job.lease_token is job.worker_id is None
        assert not job.cancel_requested
        assert "你好" in job.body


def test_inline_jobs_get_their_ids_in_the_order_given(store):
    new = [new_job(line) for line in range(1, 1001)]
    with store.db.begin() as session:
        ids = jobs.submit_inline(session, new, api_key_id=store.key_id, max_attempts=3)

    assert [(job.id, job.line) for job in store.jobs()] == list(zip(ids, range(1, 1001), strict=True))


def test_a_claim_leases_up_to_its_limit_the_longest_due_first(store):
    first, second, third = store.inline(3)
    store.set_job(first, run_at=now() - timedelta(seconds=1))
    store.set_job(second, run_at=now() - timedelta(seconds=3))
    store.set_job(third, run_at=now() - timedelta(seconds=2))

    claims = store.claim(2)

    assert [claim.job_id for claim in claims] == [second, third]
    assert {(job.state, job.worker_id) for job in map(store.job, (second, third))} == {("running", WORKER)}
    assert store.job(second).lease_token == claims[0].token
    assert store.job(first).state == JobState.QUEUED


def test_a_claim_holds_what_its_call_needs(store):
    (job_id,) = store.inline(max_attempts=4)

    (claim,) = store.claim()

    job = store.job(job_id)
    assert claim._asdict() == {
        "job_id": job_id,
        "token": job.lease_token,
        **{name: getattr(job, name) for name in claim._fields[2:]},
    }
    assert (claim.max_attempts, claim.lane, claim.attempts, claim.calls) == (4, LANE, 0, 0)


def test_a_claim_finds_neither_other_lanes_nor_what_is_not_due(store):
    (later,) = store.inline()
    store.set_job(later, run_at=now() + timedelta(seconds=60))
    store.inline(lane="other-model")

    assert store.claim() == []


def test_two_claims_have_different_tokens(store):
    store.inline(2)

    (one,), (other,) = store.claim(1), store.claim(1)

    assert one.token != other.token
    assert one.job_id != other.job_id


def test_the_next_due_time_of_a_lane_is_its_soonest_queued_job(store):
    soon, late, running = store.inline(3)
    in_a_minute = now() + timedelta(minutes=1)
    store.set_job(soon, run_at=in_a_minute)
    store.set_job(late, run_at=in_a_minute + timedelta(hours=1))
    assert [claim.job_id for claim in store.claim()] == [running]

    with store.db.read() as session:
        assert jobs.next_due(session, LANE) == in_a_minute
        assert jobs.next_due(session, "other-model") is None
