"""Departures that cannot be written, or come too late."""

import time

from headrace.states import JobState, Outcome
from tests.away import attempts_away
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults, on_sqlite
from tests.refusing import refusing
from tests.simulated import eventually
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


@each_database_in_faults
def test_one_departure_that_is_refused_holds_up_no_other(plant):
    witness = plant.provider()
    with refusing(plant.store.db, "INSERT", "attempts", "NEW.number = 1 AND NEW.job_id % 10 = 3"):
        worker = plant.worker(rpm=6000, lease_seconds=2)
        batch_id = plant.submit(*many(20))
        eventually(lambda: plant.store.batch_row(batch_id).succeeded == 18, 30)
        eventually(lambda: "was refused" in worker.log.read_text(), 20)

    plant.let_time_pass()
    assert plant.finished(batch_id).succeeded == 20
    account = check(plant.store.db, [witness])
    assert (account.calls, account.attempts) == (20, 20)


@on_sqlite
def test_calls_whose_time_passed_while_the_database_was_away_get_a_new_one(plant):
    """Else they would be made all at once when it is back, above the limit."""
    witness = plant.provider()
    plant.worker(rpm=300)
    batch_id = plant.submit(*many(70))
    eventually(lambda: witness.count("received") > 5, 30)
    with attempts_away(plant.store.db):
        left_at = time.monotonic()
        eventually(lambda: time.monotonic() > left_at + 10, 40)

    assert plant.finished(batch_id).succeeded == 70
    account = check(plant.store.db, [witness])
    assert (account.calls, account.ambiguous) == (70, 0)
    starts = [call.at for call in witness.calls()]
    in_a_second = max(sum(start <= at < start + 1 for at in starts) for start in starts)
    assert in_a_second < 30  # those that were hardly late, and a burst; all at once would be more than 50
    assert {one.outcome for one in attempts_of(plant.store.db, batch_id).values()} <= {
        Outcome.SUCCEEDED,
        Outcome.NOT_SENT,
    }
    assert {job.state for job in plant.store.jobs(batch_id)} == {JobState.SUCCEEDED}
