"""docs/states.md draws the machine: here the page, `states.MOVES` and what the verbs do are one."""

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from headrace.clock import now
from headrace.pricing import Price, Rates
from headrace.states import FINAL, MOVES, BatchStatus, JobState, Outcome
from headrace.store import pausing
from headrace.store.accounts import BatchAccount
from headrace.store.admission import BUDGET_USED_UP
from headrace.store.finishing import WORKER_LOST
from headrace.store.jobs import Departure
from headrace.store.landings import Landing
from headrace.store.tables import attempts, jobs
from tests.scene import AT_MOST, WORKER, failed, retried, snoozed, succeeded

pytest_plugins = ["tests.databases"]

PAGE = (Path(__file__).parent.parent / "docs/states.md").read_text()
ARROW = re.compile(r"^    (\w+) --> (\w+): (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| (\w+) \| ([a-z, -]+) \| ([a-z, ]+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)

ENDS: dict[str, Callable[[Departure], Landing]] = {
    "succeed": succeeded,
    "fail": failed,
    "retry": retried,
    "snooze": snoozed,
}
SITUATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "marked": {},
    "crashed": {},
    "careful": {"hold_ambiguous": True},
    "lost": {"hold_ambiguous": True},
    "lost and cancelled": {"hold_ambiguous": True, "status": BatchStatus.CANCELLING},
    "exhausted": {},
    "cancelled": {"status": BatchStatus.CANCELLING},
    "overdue": {"expires_at": now() - timedelta(minutes=1)},
    "used up": {"budget_nanos": 0, "wanted_nanos": 1},
    "reserved": {"budget_nanos": AT_MOST * 1000, "reserved_nanos": AT_MOST * 1000},
}
PRICE = Price("mill", "large-model", "the tests", rates=Rates(input=Decimal(1), output=Decimal(1)))
LOST = {"outcome": Outcome.AMBIGUOUS, "error_code": WORKER_LOST, "landed_at": now()}
ATTEMPTS = {"kept": 0, "+1": 1, "given back": -1}


def moves():
    return {
        (verb, before, after)
        for verb, ways in MOVES.items()
        for before, ends in ways.items()
        for after in ends
    }


def table():
    """verb -> (from, to, attempts) as the page's table has them."""
    return {
        verb: (set(before.split(", ")), set(after.split(", ")), attempts)
        for verb, before, after, attempts in ROW.findall(PAGE)
        if verb != "verb"
    }


def test_the_picture_draws_every_move_and_no_other():
    drawn = {
        (verb, before, after) for before, after, verbs in ARROW.findall(PAGE) for verb in verbs.split(", ")
    }

    assert drawn == moves()
    assert "[*] --> queued: submit" in PAGE
    assert "[*] --> failed: refuse" in PAGE
    assert set(re.findall(r"^    (\w+) --> \[\*\]$", PAGE, re.MULTILINE)) == FINAL


def test_the_table_lists_every_verb_with_its_moves():
    listed = table()

    assert listed.pop("submit") == ({"-"}, {"queued"}, "0")
    assert listed.pop("refuse") == ({"-"}, {"failed"}, "0")
    assert {verb: ends[:2] for verb, ends in listed.items()} == {
        verb: (set(ways), set().union(*ways.values())) for verb, ways in MOVES.items()
    }
    assert {ends[2] for ends in listed.values()} == set(ATTEMPTS)


def test_no_verb_leaves_a_final_state():
    assert not any(before in FINAL for _, before, _ in moves())
    assert {after for *_, after in moves()} >= FINAL


class Crossroads:
    """A job in every state in every situation, each with one attempt written by a flight of its own."""

    def __init__(self, store):
        self.store = store
        self.flights: dict[int, Departure] = {}
        self.before: dict[int, JobState] = {}
        self.situation: dict[int, str] = {}
        store.charge(PRICE)
        self.batches = [store.batch(lines=len(JobState), lane=situation) for situation in SITUATIONS]
        for situation in SITUATIONS:
            self.arrange(situation)

    def arrange(self, situation):
        """Brings one batch's jobs into every state, and the batch into the situation."""
        flights = self.store.fly(lane=situation)
        with self.store.db.begin() as session:
            for flight, state in zip(flights, JobState, strict=True):
                job_id = flight.claim.job_id
                self.flights[job_id], self.before[job_id], self.situation[job_id] = flight, state, situation
                row = update(jobs).where(jobs.c.id == job_id)
                session.execute(row.values(**self.row(flight, state, situation)))
                if state is JobState.HELD and situation.startswith("lost"):
                    lost = update(attempts).where(attempts.c.id == flight.attempt_id)
                    session.execute(lost.values(**LOST))
        if SITUATIONS[situation]:
            self.store.set_batch(flights[0].claim.batch_id, **SITUATIONS[situation])

    def row(self, flight, state, situation):
        running = state is JobState.RUNNING
        return {
            "state": state,
            "finished_at": now() if state in FINAL else None,
            "lease_token": flight.claim.token if running else None,
            "worker_id": WORKER if running else None,
            "crashes": 2 if situation == "crashed" else 0,
            "cancel_requested": situation == "marked",
            "error_code": BUDGET_USED_UP if situation == "used up" and state is JobState.HELD else None,
        }

    def usual(self, verb, job_id):
        """The situation in which the verb moves the job: some move one in certain situations only."""
        if verb in ("pause", "resume"):
            return "used up"
        return "lost" if verb in ENDS and self.before[job_id] is JobState.HELD else "plain"

    def take(self, verb):
        """Applies a verb to every job."""
        store, claims = self.store, [flight.claim._replace(calls=1) for flight in self.flights.values()]
        if verb in ENDS:
            store.land(*map(ENDS[verb], self.flights.values()))
        elif verb == "cancel":
            for claim in claims:
                store.cancel(claim.job_id)
        elif verb == "expire":
            for claim in claims:
                store.end_waiting(claim.batch_id, JobState.EXPIRED)
        elif verb == "unhold":
            for claim in claims:
                store.unhold(claim.job_id, JobState.FAILED if claim.lane == "marked" else JobState.QUEUED)
        else:
            verbs = {
                "claim": lambda: [store.claim(lane=situation) for situation in SITUATIONS],
                "depart": lambda: store.depart(claims),
                "release": lambda: store.release(claims),
                "rescue": self.rescue,
                "pause": lambda: self.each_budget(lambda session, one: pausing.hold(session, one, 1000)),
                "resume": lambda: self.each_budget(
                    lambda session, one: pausing.resume(session, one, now(), 1000)
                ),
            }
            verbs[verb]()

    def each_budget(self, change):
        for batch_id in self.batches:
            with self.store.db.begin() as session:
                change(session, BatchAccount(batch_id))

    def rescue(self):
        with self.store.db.begin() as session:
            session.execute(
                update(jobs).where(jobs.c.lane == "exhausted").values(max_attempts=jobs.c.attempts)
            )
        self.store.rescue(WORKER)


@pytest.mark.parametrize("verb", MOVES)
def test_a_verb_makes_its_moves_and_no_other(store, verb):
    crossroads = Crossroads(store)

    crossroads.take(verb)

    seen = defaultdict(set)
    for job in store.jobs():
        seen[crossroads.before[job.id]].add(job.state)
    changed = {before: after - {before} for before, after in seen.items() if after - {before}}
    meant = {before: set(after) - {before} for before, after in MOVES[verb].items()}
    assert changed == {before: after for before, after in meant.items() if after}


@pytest.mark.parametrize("verb", MOVES)
def test_a_verb_counts_attempts_as_the_page_says(store, verb):
    crossroads = Crossroads(store)

    crossroads.take(verb)

    counted = {
        job.attempts - 1
        for job in store.jobs()
        if crossroads.situation[job.id] == crossroads.usual(verb, job.id)
        and crossroads.before[job.id] in MOVES[verb]
    }
    assert counted == {ATTEMPTS[table()[verb][2]]}
