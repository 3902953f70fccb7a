"""A batch of a higher priority overtakes one that runs, in a worker that is real."""

from headrace import dispatch
from headrace.clock import now
from headrace.states import BatchStatus
from tests.batch_input import given, line, many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

LOW, HIGH = 150, 20
BOOKED_AHEAD = 3  # at 30 RPM: the slots of two seconds, and two jobs that are held for the next one


def submitted(plant, priority, *lines, **values):
    batch_id = given(plant.store, plant.settings, *lines)
    plant.store.set_batch(batch_id, priority=priority, **values)
    dispatch.wake_ingest(batch_id)
    return batch_id


def departures(plant, batch_id):
    return sorted(attempt.departed_at for attempt in attempts_of(plant.store.db, batch_id).values())


@each_database_in_faults
def test_a_later_batch_of_a_higher_priority_overtakes_the_one_that_runs(plant):
    plant.provider()
    plant.worker(rpm=1200)
    low = submitted(plant, 0, *many(LOW))
    eventually(lambda: plant.store.batch_row(low).succeeded, 60)

    high = submitted(plant, 50, *[line(f"high-{number}") for number in range(HIGH)])

    assert plant.finished(high, 60).succeeded == HIGH
    assert plant.store.batch_row(low).status == BatchStatus.IN_PROGRESS
    assert plant.finished(low, 90).succeeded == LOW
    last = departures(plant, high)[-1]
    behind = sum(departed > last for departed in departures(plant, low))
    assert behind > LOW / 3


@each_database_in_faults
def test_where_the_quota_is_slow_a_higher_priority_waits_for_what_has_a_slot_alone(plant):
    plant.provider()
    plant.worker(rpm=30)
    low = submitted(plant, 0, *many(20))
    eventually(lambda: plant.store.batch_row(low).succeeded >= 2, 60)

    asked_at = now()
    high = submitted(plant, 50, *many(1))

    assert plant.finished(high, 60).succeeded == 1
    (departed,) = departures(plant, high)
    between = [at for at in departures(plant, low) if asked_at < at < departed]
    assert len(between) <= BOOKED_AHEAD


@each_database_in_faults
def test_bad_lines_of_a_batch_are_results_while_the_others_run(plant):
    witness = plant.provider()
    plant.worker()
    lines = [b"nonsense", b"[]", *many(30), line("stream", body={"stream": True}), line("line-3")]

    batch = plant.finished(submitted(plant, -7, *lines, skip_invalid=True))

    assert (batch.status, batch.total) == (BatchStatus.COMPLETED, len(lines))
    assert (batch.succeeded, batch.failed) == (30, 4)
    assert len(attempts_of(plant.store.db, batch.id)) == 30
    assert {job.priority for job in plant.store.jobs(batch.id)} == {-7}
    check(plant.store.db, [witness], files=plant.settings.files_dir)
