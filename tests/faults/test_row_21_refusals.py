"""Row 21: a storm of 429s, with Retry-After in every form."""

import pytest

from bench.witness import rolling_maximum
from headrace.states import BatchStatus, Outcome
from tests.batch_input import line, many
from tests.invariants import check
from tests.kinds import each_database_in_faults

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

RPM = 1200
A_SECOND = RPM / 60
FORMS = ("429:1", "429:0", "429:-1", "429:date", "429:absent", "503:0")
MOST_WASTED = 0.05


def refused_together(count, *, calls_each=2):
    """Jobs with one body: its first calls are refused, each form in turn, whoever makes them."""
    storm = "".join(f"[[sim:{form}x{calls_each * turn}]]" for turn, form in enumerate(FORMS, start=1))
    body = {"messages": [{"role": "user", "content": storm}]}
    return [line(f"stormy-{number}", body=body) for number in range(count)]


def refused(plant):
    with plant.store.db.read() as session:
        return (
            session.connection()
            .exec_driver_sql(f"SELECT count(*) FROM attempts WHERE outcome = '{Outcome.REFUSED}'")
            .scalar()
        )


def assert_no_stampede(calls):
    """Not even in the second of a reopening; a busy machine may delay the calls of one second to the next."""
    arrivals = sorted(call.at for call in calls)
    assert rolling_maximum(arrivals, [1] * len(arrivals), 1.0) <= 2 * A_SECOND + 1


@each_database_in_faults
def test_a_storm_of_429s_in_every_form_costs_no_attempt_and_ends_without_a_stampede(plant):
    witness = plant.provider()
    for _ in range(2):
        plant.worker(rpm=RPM)

    batch = plant.finished(plant.submit(*many(30), *refused_together(120)), 90)

    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 150)
    assert {job.attempts for job in plant.store.jobs(batch.id)} == {1}
    calls = witness.calls()
    check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert refused(plant) == len([call for call in calls if call.status in (429, 503)]) == 2 * len(FORMS)
    assert_no_stampede(calls)


@each_database_in_faults
@pytest.mark.slow
def test_a_provider_that_allows_half_of_what_we_were_told_refuses_few_calls(plant):
    """Its bucket holds two seconds of its own rate, which is one second of ours."""
    witness = plant.provider(rpm=RPM, window="bucket", burst_seconds=2)
    for _ in range(2):
        plant.worker(rpm=2 * RPM)

    batch = plant.finished(plant.submit(*many(250)), 90)

    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, 250)
    assert {job.attempts for job in plant.store.jobs(batch.id)} == {1}
    calls = witness.calls()
    check(plant.store.db, [witness], files=plant.settings.files_dir)
    wasted = len([call for call in calls if call.status == 429])
    assert 1 <= wasted <= MOST_WASTED * len(calls)
