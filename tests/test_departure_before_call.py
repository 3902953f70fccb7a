"""I3 in time: no call is made while the transaction that writes its attempt is open."""

from sqlalchemy import func, select

from headrace.store import tables
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

OPEN_SECONDS = 0.4
CLOCK_SECONDS = 0.1  # two processes' views of the database's time


@each_database_in_faults
def test_no_call_is_made_before_its_departure_is_committed(plant):
    """Each transaction of the worker stays open for a while between its last statement and its COMMIT."""
    witness = plant.provider(latency_ms=1)
    plant.worker(failpoints=f"before-commit=hang:{OPEN_SECONDS}%100", lease_seconds=30)
    batch_id = plant.submit(*many(5))

    eventually(lambda: all_rows_were_there_first(plant, witness) and is_final(plant, batch_id), 100)

    plant.finished(batch_id)
    assert check(plant.store.db, [witness]).calls == 5
    waits = [
        call.at - attempt.departed_at.timestamp()
        for call in witness.calls()
        for job in plant.store.jobs(batch_id)
        for attempt in plant.store.attempts(job.id)
        if attempt.id == call.attempt
    ]
    assert len(waits) == 5
    assert min(waits) > OPEN_SECONDS - CLOCK_SECONDS, waits


def all_rows_were_there_first(plant, witness):
    """Asks the provider first: what it has received by then must be committed."""
    received = witness.count("received")
    with plant.store.db.read() as session:
        written = session.execute(select(func.count()).select_from(tables.attempts)).scalar_one()
    assert written >= received
    return True


def is_final(plant, batch_id):
    return plant.store.batch_row(batch_id).succeeded == 5
