"""Calls in flight, capped over several workers."""

from headrace.config import load_config
from headrace.limits import Limiter, connect
from tests.batch_input import many
from tests.kinds import each_database_in_faults, on_sqlite
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


@on_sqlite
def test_the_place_of_a_call_that_ended_is_free_before_its_answer_is_stored(plant):
    witness = plant.provider(latency_ms=1000, latency_spread=0)  # time to lock; one group of answers
    worker = plant.worker(max_in_flight=3)
    route = load_config(plant.settings_with(max_in_flight=3)).route("m")
    assert route
    limiter = Limiter(connect(plant.settings.redis_url))
    doomed = plant.submit(*many(3))
    eventually(lambda: witness.count("received") == 3, 20)

    with plant.store.db.begin() as session:
        session.connection()  # now nobody else can write
        eventually(lambda: witness.count("in_flight") == 0 and limiter.look(route.quota).in_flight == 0, 20)
        assert plant.store.batch_row(doomed).succeeded == 0

    assert plant.finished(doomed).succeeded == 3
    assert worker.stop() == 0


@each_database_in_faults
def test_two_workers_together_keep_to_the_cap(plant):
    witness = plant.provider(latency_ms=60, max_in_flight=4)
    workers = [plant.worker(max_in_flight=4) for _ in range(2)]

    batch = plant.finished(plant.submit(*many(80)))

    assert batch.succeeded == witness.count("received") == 80
    assert [worker.stop() for worker in workers] == [0, 0]
