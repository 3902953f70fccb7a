"""Row 35: descriptors and threads stay flat; a log that cannot be written fails no job."""

from pathlib import Path

import pytest

from tests.batch_input import many
from tests.invariants import check
from tests.kinds import each_database_in_faults
from tests.plant import KEY, Worker

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

FAULTS = (("500", 0.05), ("cut", 0.05), ("reset", 0.05), ("timeout", 0.02))
WARM, ROUNDS = 1, 3
JOBS = 100
IN_FLIGHT = 15
MORE_DESCRIPTORS = 10  # the pools of a worker may hold some connections more


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_descriptors_and_threads_stay_flat_under_faults(plant):
    witness = plant.provider(faults=FAULTS, hang_seconds=3)
    worker = plant.worker(call_timeout_seconds=1, max_attempts=20, max_in_flight=IN_FLIGHT)
    seen = []
    for _ in range(WARM + ROUNDS):
        assert plant.finished(plant.submit(*many(JOBS)), 100).succeeded == JOBS
        seen.append((descriptors(worker), threads(worker)))

    check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert seen[-1][0] <= seen[WARM][0] + MORE_DESCRIPTORS, seen
    assert seen[-1][1] <= seen[WARM][1] + 1, seen  # one looks up names now and then


@each_database_in_faults
@pytest.mark.slow
def test_a_log_on_a_full_disk_fails_no_job(plant):
    witness = plant.provider(faults=FAULTS, hang_seconds=3)
    full = plant.settings_with(provider_key=KEY, call_timeout_seconds=1, max_attempts=20, log_level="DEBUG")
    worker = Worker(full, Path("/dev/full"))
    try:
        assert plant.finished(plant.submit(*many(30)), 100).succeeded == 30
        check(plant.store.db, [witness], files=plant.settings.files_dir)
        assert worker.stop() == 0
    finally:
        worker.kill()


def descriptors(worker):
    return len(list(Path(f"/proc/{worker.process.pid}/fd").iterdir()))


def threads(worker):
    return len(list(Path(f"/proc/{worker.process.pid}/task").iterdir()))
