"""What workers and sweepers do with the store, each transaction repeated until it was acknowledged."""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from headrace.clock import now
from headrace.ids import new_id
from headrace.states import JobState
from headrace.store import batches, jobs, landings, sweeping, tables, workers
from headrace.store.jobs import Claim, Departure
from headrace.store.landings import Landing
from tests.scene import LANE, USAGE, Scene, failed, new_job, retried, snoozed, succeeded
from tests.witness import ALL_TOKENS, Call, tokens_of

T = TypeVar("T")

AT_MOST = 200
SLICE = 10


class Told(list[Call]):
    """Calls that a witness tells of."""

    def calls(self) -> list[Call]:
        """In the order of their arrival."""
        return list(self)


class Hand:
    """One worker: what it claimed, and what it has under way."""

    def __init__(self) -> None:
        self.id = new_id("worker_")
        self.claimed: list[Claim] = []
        self.flying: list[Departure] = []


class UnsureWorld:
    """Some workers, a sweeper and an owner; `steps` are what they may do next, drawn by a seed."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.random = random.Random(seed)
        self.witness = Told()
        self.hands = [Hand(), Hand()]
        self.job_ids: list[int] = []
        self.late: list[Departure] = []
        self.steps = (self.claim, self.claim, self.depart, self.depart, self.land, self.land, self.release)
        self.mishaps = (self.put_back, self.crash, self.cancel_one, self.land_again, self.land_late)

    def unit(self, work: Callable[[Session], T]) -> T:
        """One transaction, until it is acknowledged."""
        while True:
            try:
                with self.scene.db.begin() as session:
                    return work(session)
            except OperationalError:
                continue

    def ingest(self, batch_id: str, lines: int) -> None:
        """All lines of a batch, each once, as the ingest task does it."""
        self.unit(lambda session: batches.begin(session, batch_id, total=lines, model=LANE))
        for first in range(1, lines + 1, SLICE):
            self.unit(partial(self._slice, batch_id, first))
        wanted = select(tables.jobs.c.id).order_by(tables.jobs.c.id)
        self.job_ids = list(self.unit(lambda session: session.execute(wanted).scalars().all()))

    def _slice(self, batch_id: str, first: int, session: Session) -> None:
        if batches.lock(session, batch_id).ingest_offset != first - 1:
            return
        new = [new_job(line) for line in range(first, first + SLICE)]
        jobs.submit(session, new, api_key_id=self.scene.key_id, batch_id=batch_id, max_attempts=30)
        batches.ingested(session, batch_id, lines=SLICE, offset=first - 1 + SLICE)

    def beat(self) -> None:
        """Every worker is known."""
        for hand in self.hands:
            self.unit(partial(self._beat, hand))

    def _beat(self, hand: Hand, session: Session) -> None:
        if not workers.beat(session, hand.id):
            workers.register(session, hand.id, host="here", pid=1)

    def claim(self) -> None:
        """As a drain does it; what was claimed and not acknowledged is put back by and by."""
        hand = self.random.choice(self.hands)
        try:
            with self.scene.db.begin() as session:
                claimed = jobs.claim(session, LANE, self.random.randint(1, 8), hand.id)
        except OperationalError:
            return
        hand.claimed += claimed

    def put_back(self) -> None:
        """Jobs that a hand was given and knows nothing of."""
        hand = self.random.choice(self.hands)
        flown = [flight.claim for flight in hand.flying]
        known = {(claim.job_id, claim.token) for claim in [*hand.claimed, *flown]}
        lost = dict(self.unit(lambda session: sweeping.leased_to(session, hand.id)) - known)
        self.unit(lambda session: sweeping.take_back(session, lost))

    def release(self) -> None:
        """Put back some of what is claimed."""
        hand = self.random.choice(self.hands)
        given, hand.claimed = hand.claimed[:2], hand.claimed[2:]
        self.unit(lambda session: jobs.release(session, given, now()))

    def depart(self) -> None:
        """Write attempts, then call: each call is one that a provider sees."""
        hand = self.random.choice(self.hands)
        leaving = [Departure(claim, new_id("att_"), 100, AT_MOST) for claim in hand.claimed]
        hand.claimed = []
        going = self.unit(lambda session: jobs.depart(session, leaving, hand.id))
        for flight in leaving:
            if flight.attempt_id in going:
                hand.flying.append(flight)

    def land(self) -> None:
        """Some calls end, one way or another."""
        hand = self.random.choice(self.hands)
        self.random.shuffle(hand.flying)
        ended, hand.flying = hand.flying[:6], hand.flying[6:]
        group = [self._ended(flight) for flight in ended]
        self.unit(lambda session: landings.land(session, group))

    def land_again(self) -> None:
        """A group whose landing is written twice, for nobody knew that it was."""
        hand = self.random.choice(self.hands)
        group = [self._ended(flight) for flight in hand.flying]
        hand.flying = []
        for _ in range(2):
            self.unit(lambda session: landings.land(session, group))

    def _ended(self, flight: Departure) -> Landing:
        ends = (succeeded, succeeded, succeeded, retried, snoozed, failed)
        landing = self.random.choice(ends)(flight)
        status = {"refused": 429, "failed": 400, "succeeded": 200}.get(landing.outcome)
        self._called(flight, status)
        return landing

    def _called(self, flight: Departure, status: int | None) -> None:
        bill = tokens_of([USAGE], ALL_TOKENS) if status == 200 else None
        self.witness.append(
            Call(flight.attempt_id, LANE, time.time(), status, None, bill, USAGE.total_tokens)
        )

    def crash(self) -> None:
        """A worker is given up for dead: its calls were made, and their answers come late or never."""
        place = self.random.randrange(len(self.hands))
        dead, self.hands[place] = self.hands[place], Hand()
        self.beat()
        self.unit(lambda session: workers.retire(session, [dead.id]))
        self.sweep()
        if self.random.random() < 0.5:
            self.late += dead.flying
        else:
            for flight in dead.flying:
                self._called(flight, None)

    def land_late(self) -> None:
        """Answers of workers that only seemed to be dead."""
        group, self.late = [self._ended(flight) for flight in self.late], []
        self.unit(lambda session: landings.land(session, group))

    def sweep(self) -> None:
        """Rescue what dead workers had."""
        while self.unit(lambda session: sweeping.rescue(session, [], 5)):
            pass

    def cancel_one(self) -> None:
        """An owner wants one job no more."""
        job_id = self.random.choice(self.job_ids)
        self.unit(lambda session: jobs.cancel_one(session, job_id))

    def cancel_batch(self, batch_id: str) -> None:
        """Or a whole batch."""
        self.unit(lambda session: batches.request_cancel(session, batch_id))
        self.end_waiting(batch_id, JobState.CANCELLED)

    def end_waiting(self, batch_id: str, state: JobState) -> None:
        """The sweeper empties a batch."""
        while self.unit(lambda session: sweeping.end_waiting(session, batch_id, state, 7)):
            pass
