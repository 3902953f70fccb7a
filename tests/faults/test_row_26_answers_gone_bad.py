"""Row 26: answers that are malformed, cut, of the wrong type, empty, endless, or lead elsewhere."""

import sys
from collections import defaultdict
from pathlib import Path

from headrace.states import BatchStatus, JobState, Outcome
from tests.batch_input import line, many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually
from tests.witness import TOKENS

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

MEBIBYTE = 1024 * 1024
EACH = 4
CALLS = 2
ANSWERS = ("empty", "nousage", "sound")  # an empty one that was paid for is not paid for again
GROWTH_MEBIBYTES = 150
# fault -> error code, a part of the message that is kept
UNUSABLE = {
    "garbage": ("invalid_answer", '{"id":"chatcmpl-'),
    "html": ("invalid_answer", "<!doctype html>"),
    "nan": ("invalid_answer", '{"id":"chatcmpl-'),
    "deep": ("invalid_answer", '{"choices":[[[['),
    "cut": ("connection_lost", "ended before the answer did"),
    "huge": ("answer_too_large", "larger than"),
    "gzip-bomb": ("answer_too_large", "larger than"),
}


def asking(fault, number):
    content = f"[[sim:{fault}]] {number}"
    return line(f"{fault}.{number}", body={"messages": [{"role": "user", "content": content}]})


def peak_mebibytes(pid):
    """The most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def by_fault(plant, batch_id):
    found = defaultdict(list)
    for job in plant.store.jobs(batch_id):
        found[job.custom_id.partition(".")[0]].append(job)
    return found


@each_database_in_faults
def test_answers_gone_bad_are_told_apart_bounded_and_booked(plant):
    witness = plant.provider(huge_bytes=1_000_000_000)
    worker = plant.worker(max_attempts=CALLS, max_answer_bytes=4 * MEBIBYTE)
    before = peak_mebibytes(worker.process.pid) if sys.platform == "linux" else 0
    kinds = [*UNUSABLE, *ANSWERS]
    lines = [
        line(f"sound.{n}") if kind == "sound" else asking(kind, n) for kind in kinds for n in range(EACH)
    ]

    batch = plant.finished(plant.submit(*lines))

    assert batch.status == BatchStatus.COMPLETED
    assert (batch.succeeded, batch.failed) == (len(ANSWERS) * EACH, len(UNUSABLE) * EACH)
    account = check(plant.store.db, [witness], files=plant.settings.files_dir, logs=[worker.log])
    assert account.calls == EACH * (len(UNUSABLE) * CALLS + len(ANSWERS))
    jobs = by_fault(plant, batch.id)
    for fault, (code, excerpt) in UNUSABLE.items():
        for job in jobs[fault]:
            assert (job.state, job.error_code, job.attempts) == (JobState.FAILED, code, CALLS)
            assert excerpt in job.error_message
    assert_booked(plant, jobs)
    if sys.platform == "linux":
        assert peak_mebibytes(worker.process.pid) - before < GROWTH_MEBIBYTES


def assert_booked(plant, jobs):
    """What is known of the cost as it is, what is not at its upper bound."""
    for job in jobs["empty"]:
        (attempt,) = plant.store.attempts(job.id)
        assert attempt.outcome == Outcome.SUCCEEDED
        assert job.total_tokens == attempt.total_tokens > 0
    for fault in UNUSABLE:
        for job in jobs[fault]:
            for attempt in plant.store.attempts(job.id):
                assert attempt.outcome == Outcome.AMBIGUOUS
                assert [getattr(attempt, name) for name in TOKENS] == [0] * len(TOKENS)
                assert attempt.tokens_at_most > 0


@each_database_in_faults
def test_one_redirect_among_answers_fails_its_job_and_is_not_followed(plant):
    witness = plant.provider()
    worker = plant.worker()

    batch = plant.finished(plant.submit(*many(6), asking("redirect", 0)))

    assert (batch.succeeded, batch.failed) == (6, 1)
    assert check(plant.store.db, [witness], logs=[worker.log]).calls == 7
    (job,) = by_fault(plant, batch.id)["redirect"]
    (attempt,) = plant.store.attempts(job.id)
    assert (job.state, job.status_code, attempt.outcome) == (JobState.FAILED, 302, Outcome.FAILED)
    assert attempt.total_tokens == 0  # it was no work


@each_database_in_faults
def test_where_every_call_is_redirected_the_jobs_wait_and_the_reason_is_told(plant):
    """The base URL of a provider that moved, or of a network where one has to log in first."""
    witness = plant.provider(faults=(("redirect", 1.0),))
    plant.worker()

    batch_id = plant.submit(*many(20))

    eventually(lambda: "it redirects to" in (plant.store.batch_row(batch_id).notice or ""), 20)
    eventually(lambda: {job.state for job in plant.store.jobs(batch_id)} == {JobState.QUEUED}, 20)
    assert check(plant.store.db, [witness], allow=[JobState.QUEUED]).calls <= 3
