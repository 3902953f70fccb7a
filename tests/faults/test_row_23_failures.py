"""Row 23: 30 % of the answers are 5xx; and bursts of them."""

from collections import defaultdict

import pytest
from sqlmodel import select

from headrace.models import Attempt
from headrace.states import BatchStatus, Outcome
from tests.batch_input import line, many
from tests.invariants import check

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

SHARES = (("500", 0.1), ("502", 0.08), ("503:absent", 0.07), ("529", 0.05))
RPM = 2400
FIRST_BACKOFF_SECONDS = 2.0


def attempts_by_job(plant):
    with plant.store.db.read() as session:
        found = defaultdict(list)
        for attempt in session.exec(select(Attempt)):
            found[attempt.job_id].append(attempt)
        session.expunge_all()
    return [sorted(of_job, key=lambda attempt: attempt.number) for of_job in found.values()]


def test_with_a_third_of_all_answers_failures_all_jobs_are_answered_within_their_attempts(plant):
    witness = plant.provider(faults=SHARES)
    for _ in range(2):
        plant.worker(rpm=RPM, max_attempts=10)

    batch = plant.finished(plant.submit(*(say(number) for number in range(400))), 200)

    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 400)
    jobs = plant.store.jobs(batch.id)
    assert max(job.attempts for job in jobs) <= 10
    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    failures = [call for call in witness.calls() if call.status != 200]
    assert account.ambiguous == len(failures) == account.extra_calls
    assert 0.2 < len(failures) / account.calls < 0.4


def test_an_endless_failure_ends_with_the_budget_of_attempts(plant):
    witness = plant.provider()
    plant.worker(rpm=RPM, max_attempts=3)

    batch = plant.finished(plant.submit(*(say(number, "[[sim:500]]") for number in range(20)), *many(20)))

    assert (batch.succeeded, batch.failed) == (20, 20)
    assert {len(attempts) for attempts in attempts_by_job(plant)} == {1, 3}
    check(plant.store.db, [witness], files=plant.settings.files_dir)


def test_a_burst_of_failures_does_not_come_back_as_a_burst(plant):
    witness = plant.provider()
    plant.worker(max_in_flight=200)

    batch = plant.finished(
        plant.submit(*many(20), *(say(number, "[[sim:502x1]]") for number in range(200))), 120
    )

    assert batch.succeeded == 220
    check(plant.store.db, [witness], files=plant.settings.files_dir)
    waits = [
        (second.departed_at - first.landed_at).total_seconds()
        for first, second in (of_job for of_job in attempts_by_job(plant) if len(of_job) == 2)
        if first.outcome == Outcome.AMBIGUOUS
    ]
    assert len(waits) == 200
    parts = [len([wait for wait in waits if FIRST_BACKOFF_SECONDS * part / 4 <= wait]) for part in range(4)]
    assert parts[1] > 100, "at most half of them came back in the first quarter of the time"
    assert parts[2] > 50
    assert parts[3] > 15


def say(number, what=""):
    return line(f"said-{number}", body={"messages": [{"role": "user", "content": f"{what} {number}"}]})
