"""As long as workers of the release before live, they alone begin with inputs: all must be able to go on."""

import pytest
from sqlalchemy import update

from headrace.settings import Settings
from headrace.states import BatchStatus
from headrace.store import batches, tables, workers
from headrace.versions import is_older
from tests.batch_input import given, ingesting, many
from tests.scene import WORKER

pytest_plugins = ["tests.databases", "tests.hints"]
pytestmark = pytest.mark.usefixtures("hints")


@pytest.fixture
def settings(tmp_path, redis_client_url):
    return Settings(data_dir=tmp_path, redis_url=redis_client_url)


def of_version(store, version):
    """The scene's worker is one of this version."""
    with store.db.begin() as session:
        session.execute(update(tables.workers).values(version=version))


@pytest.mark.parametrize("version", ["", "0.1.0", "0.1.9"])
def test_an_input_is_not_begun_as_long_as_an_older_worker_lives(store, settings, version):
    batch_id = given(store, settings, *many(3))
    of_version(store, version)

    ingesting(store, settings, batch_id).run()
    assert store.batch_row(batch_id).status == BatchStatus.VALIDATING

    with store.db.begin() as session:
        workers.retire(session, [WORKER])
    ingesting(store, settings, batch_id).run()
    batch = store.batch_row(batch_id)
    assert (batch.status, batch.ingested) == (BatchStatus.IN_PROGRESS, 3)


def test_an_input_that_is_begun_goes_on_beside_an_older_worker(store, settings):
    batch_id = given(store, settings, *many(3))
    with store.db.begin() as session:
        batches.begin(session, batch_id, total=3, model=None)
    of_version(store, "0.1.0")

    ingesting(store, settings, batch_id).run()

    assert store.batch_row(batch_id).ingested == 3


def test_an_input_is_begun_beside_workers_of_this_release_and_newer_ones(store, settings):
    batch_id = given(store, settings, *many(3))
    of_version(store, "12.0.0")

    ingesting(store, settings, batch_id).run()

    assert store.batch_row(batch_id).ingested == 3


@pytest.mark.parametrize(
    ("version", "older"), [("", True), ("0.1.7", True), ("0.2.0", False), ("0.10", False)]
)
def test_releases_are_told_by_their_first_two_numbers(version, older):
    assert is_older(version) is older
