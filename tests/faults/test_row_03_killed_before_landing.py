"""Row 3: kill -9 after the answer, before its commit: called again, or recovered from the spool."""

from tests.away import attempts_away
from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


@each_database_in_faults
def test_answers_that_were_written_nowhere_are_ambiguous_and_called_again(plant):
    witness = plant.provider(latency_ms=1)
    doomed = plant.worker(failpoints="before-landing=kill@1")
    batch_id = plant.submit(*many(5))
    doomed.process.wait(30)

    plant.worker(lease_seconds=2)

    assert plant.finished(batch_id).succeeded == 5
    account = check(plant.store.db, [witness])
    assert account.extra_calls == account.lost == account.ambiguous > 0


@each_database_in_faults
def test_answers_in_the_spool_of_a_dead_worker_are_recovered_without_a_second_call(plant):
    witness = plant.provider(latency_ms=4000, latency_spread=0)
    doomed = plant.worker()
    batch_id = plant.submit(*many(3))
    eventually(lambda: witness.count("received") == 3, 30)
    with attempts_away(plant.store.db):
        spool = plant.settings.data_dir / "spool"
        eventually(
            lambda: b"".join(path.read_bytes() for path in spool.glob("*.jsonl")).count(b"\n") == 3, 40
        )
        assert {path.stat().st_mode & 0o777 for path in spool.iterdir()} == {0o600}
        doomed.kill()

    plant.worker(lease_seconds=2)

    assert plant.finished(batch_id).succeeded == 3
    account = check(plant.store.db, [witness])
    assert (account.calls, account.attempts, account.lost) == (3, 3, 0)
    assert not list(spool.iterdir())
