"""Workers ask the providers for their models, now and then, and nothing waits for it."""

import logging

import gevent
import pytest

from headrace.config import Config, Provider, Quota
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.store import provider_models
from headrace.store.provider_models import Served
from tests.batch_input import many
from tests.kinds import each_database_in_faults, on_sqlite
from tests.refusing import refusing
from tests.simulated import FAST, eventually
from tests.sweepers import Clock
from worker.provider_models import LOOK_SECONDS, SOON_SECONDS, ProviderModels
from worker.stopping import StopFlag

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

OLD = [Served("gone", 5, "somebody")]


def known(store, provider="default"):
    with store.db.read() as session:
        return provider_models.known(session, provider)


def tell(store, provider, told):
    with store.db.begin() as session:
        provider_models.replace(session, provider, told)


def named(*names):
    """As the simulator tells of them."""
    return [Served(name, 1_750_000_000, "headrace") for name in names]


@each_database_in_faults
def test_soon_after_its_start_a_worker_knows_what_its_provider_serves(plant):
    tell(plant.store, "default", OLD)
    tell(plant.store, "another", OLD)
    witness = plant.provider(models=("b", "a/large"))
    workers = [plant.worker(), plant.worker()]

    eventually(lambda: known(plant.store) == named("a/large", "b"), 30)

    assert known(plant.store, "another") == OLD
    assert 1 <= witness.count("model_lists") <= 2
    assert witness.count("received") == 0
    assert [worker.stop() for worker in workers] == [0, 0]


@on_sqlite
def test_a_provider_that_drips_its_list_is_given_up_in_time_and_batches_run_meanwhile(plant):
    tell(plant.store, "default", OLD)
    witness = plant.provider(models_fault="drip", drip_seconds=1.0)
    worker = plant.worker()
    eventually(lambda: witness.count("model_lists") == 1, 30)

    batch = plant.finished(plant.submit(*many(3)))

    assert batch.succeeded == 3
    eventually(lambda: "no whole answer within 10 s" in worker.log.read_text(), 40)
    assert known(plant.store) == OLD


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("worker.provider_models.time", clock)
    return clock


@pytest.fixture
def asking(store, clock):
    """A duty over one simulator, which asks it after so many seconds; and how often it did."""
    running = []

    def start(**config):
        simulator = SimulatorProcess(SimulatorConfig(**FAST | config))
        simulator.start()
        running.append(simulator)
        return simulator

    def duty_of(simulator):
        providers = {name: Provider(name=name, base_url=simulator.base_url) for name in ("p", "unused")}
        config = Config(providers=providers, quotas={"q": Quota(name="q", provider="p")})
        duty = ProviderModels(store.db, config, StopFlag())

        def after(seconds):
            clock.seconds += seconds
            before = simulator.stats()
            duty.look()
            assert simulator.stats() == before, "the sweep had to wait"
            gevent.wait(timeout=30)
            return simulator.stats()["model_lists"]

        return after

    yield lambda **config: duty_of(start(**config))
    for simulator in running:
        simulator.stop()


def test_a_list_is_asked_for_every_ten_minutes_and_written_only_when_it_changed(store, asking, caplog):
    after = asking(models=("a", "b"))

    assert after(0) == 1
    assert known(store, "p") == named("a", "b")
    with refusing(store.db, "INSERT", "provider_models", "1 = 1"):
        assert [after(LOOK_SECONDS - 1), after(1)] == [1, 2]
    assert caplog.messages == []

    tell(store, "p", OLD)
    after(LOOK_SECONDS)
    assert known(store, "p") == named("a", "b")


def test_a_list_that_cannot_be_written_leaves_what_was_known(store, asking, caplog):
    tell(store, "p", OLD)
    after = asking()

    with refusing(store.db, "INSERT", "provider_models", "1 = 1"):
        assert after(0) == 1

    assert known(store, "p") == OLD
    told = [record for record in caplog.records if record.name == "worker.provider_models"]
    assert len(told) == 1  # psycopg may have a word of its own
    after(LOOK_SECONDS)
    assert known(store, "p") != OLD


def test_what_was_known_stays_when_a_provider_stops_telling_and_that_is_said_once(store, asking, caplog):
    caplog.set_level(logging.WARNING, "worker.provider_models")
    tell(store, "p", OLD)
    after = asking(models_fault="404")

    assert [after(LOOK_SECONDS) for _ in range(3)] == [1, 2, 3]

    assert known(store, "p") == OLD
    (said,) = caplog.messages
    assert said == "the models of the provider 'p' are as before: status 404"


def test_a_provider_that_does_not_answer_is_asked_again_within_a_minute(store, asking):
    tell(store, "p", OLD)
    after = asking(models_fault="500")

    assert [after(0), after(SOON_SECONDS - 1), after(1)] == [1, 1, 2]
    assert known(store, "p") == OLD


def test_a_provider_without_models_any_more_has_none(store, asking):
    tell(store, "p", OLD)

    asking(models_fault="empty")(0)

    assert known(store, "p") == []
