"""Sweepers, the monotonic clock that they watch the workers by, and what they leave."""

from collections import Counter
from pathlib import Path

from redis import Redis

from headrace.states import JobState
from headrace.store import workers
from tests.scene import WORKER, Scene
from worker.lookout import Lookout
from worker.stopping import StopFlag
from worker.sweep import Sweeper
from worker.watching import Watch

LEASE_SECONDS = 45.0
SWEEPING = ("sweeping-1", "sweeping-2")


class Clock:
    """The sweeper's monotonic clock."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


def sweeper_of(store: Scene, worker: str, client: "Redis", folder: Path) -> Sweeper:
    """That of one worker process."""
    return Sweeper(store.db, client, StopFlag(), Watch(worker, LEASE_SECONDS), folder)


def look_out(store: Scene) -> None:
    """What a process that drains nothing does every other second."""
    Lookout(store.db, StopFlag(), lambda _: False).look()


def beat(store: Scene, *names: str, times: int = 1) -> None:
    """These workers, or the one that has the jobs, show that they live."""
    with store.db.begin() as session:
        for worker in names or [WORKER]:
            assert [workers.beat(session, worker) for _ in range(times)] == [True] * times


def lease_goes_by(store: Scene, clock: Clock, *beating: str) -> None:
    """These beat meanwhile as often as they should."""
    clock.seconds += LEASE_SECONDS + 1
    beat(store, *beating, times=4)


def alive(store: Scene) -> set[str]:
    """The workers that are known."""
    with store.db.read() as session:
        return set(workers.counters(session))


def states(store: Scene, batch_id: str) -> Counter[JobState]:
    """How many jobs of the batch are in which state."""
    return Counter(JobState(job.state) for job in store.jobs(batch_id))
