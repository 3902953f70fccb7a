"""Workers that are killed again and again while they work, and what they had under way then."""

from typing import Any

from sqlalchemy import func, select

from headrace.states import FINAL, JobState, Outcome
from headrace.store import tables, workers
from tests.plant import Plant, Worker
from tests.simulated import eventually

SECONDS = 240.0


class Killing:
    """Keeps `hands` workers at work. `open_calls` counts the attempts that were open at the kills."""

    def __init__(self, plant: Plant, hands: int, **settings: Any) -> None:
        self.open_calls = 0
        self.kills = 0
        self._plant = plant
        self._settings = settings
        self._hands = [self._started() for _ in range(hands)]

    def busiest(self) -> Worker:
        """The worker with the most calls under way, once one has some."""
        eventually(lambda: any(map(self._open, self._hands)), 60)
        return max(self._hands, key=self._open)

    def kill(self, *, retire: bool) -> None:
        """SIGKILL to the busiest, and another in its place; `retire` its row as a stack does it."""
        victim = self.busiest()
        victim.kill()
        self.kills += 1
        self.open_calls += self._open(victim)
        if retire:
            with self._plant.store.db.begin() as session:
                workers.retire(session, [victim.id])
        self._hands[self._hands.index(victim)] = self._started()

    def _open(self, worker: Worker) -> int:
        attempts = tables.attempts
        wanted = select(func.count()).select_from(attempts)
        wanted = wanted.where(attempts.c.worker_id == worker.id, attempts.c.outcome == Outcome.OPEN)
        with self._plant.store.db.read() as session:
            return int(session.execute(wanted).scalar_one())

    def _started(self) -> Worker:
        return self._plant.start(**self._settings)


def finished_jobs(plant: Plant, batch_id: str) -> int:
    """How many jobs of a batch are final."""
    row = plant.store.batch_row(batch_id)
    return row.succeeded + row.failed + row.cancelled + row.expired


def reach(plant: Plant, batch_id: str, count: int) -> None:
    """Wait until so many jobs of a batch are final."""
    eventually(lambda: finished_jobs(plant, batch_id) >= count, SECONDS)


def let_go(plant: Plant, batch_id: str, total: int) -> int:
    """Wait for all jobs of a batch; those that three kills met are held, and sent again: how many."""
    held = set[int]()

    def done() -> bool:
        states = {job.id or 0: job.state for job in plant.store.jobs(batch_id)}
        for job_id, state in states.items():
            if state == JobState.HELD:
                held.add(job_id)
                plant.store.unhold(job_id)
        return len(states) == total and all(state in FINAL for state in states.values())

    eventually(lambda: finished_jobs(plant, batch_id) == total or done(), SECONDS)
    return len(held)
