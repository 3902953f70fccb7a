"""The verbs of the store in any order, by two workers, a sweeper and an owner, against a plain model."""

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from headrace import clock
from headrace.ids import new_id
from headrace.states import FINAL, BatchStatus, JobState
from headrace.store import tables, usage_hours, workers
from headrace.store.jobs import Departure, depart
from headrace.store.landings import Verb
from tests.frozen_clock import Frozen
from tests.invariants import check_rows
from tests.scene import AT_MOST, Scene, failed, retried, snoozed, succeeded
from tests.store_model import Model, ModelJob

pytest_plugins = ["tests.databases"]

HOUR = timedelta(hours=1)
MAX_ATTEMPTS = 2
LANDINGS: dict[Verb, Any] = {
    Verb.SUCCEED: succeeded,
    Verb.FAIL: failed,
    Verb.RETRY: retried,
    Verb.SNOOZE: snoozed,
}
HANDS = st.integers(0, 1)
CHOICES = st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True)
PRIORITIES = st.lists(st.sampled_from([-100, 0, 0, 7, 100]), min_size=7, max_size=7)
WAITS = st.sampled_from([0, 0, 20])


class StoreMachine(RuleBasedStateMachine):
    """Claims and flights stay in reach after they ended, so that every verb also comes late and twice."""

    scene: Scene
    clock: Frozen

    def __init__(self):
        super().__init__()
        self.lane = new_id("lane_")
        self.hands = [new_id("worker_"), new_id("worker_")]
        with self.scene.db.begin() as session:
            for hand in self.hands:
                workers.register(session, hand, host="here", pid=1)
        self.batch_id = self.scene.batch(5, lane=self.lane, window=HOUR, max_attempts=MAX_ATTEMPTS)
        inline = self.scene.inline(2, lane=self.lane, max_attempts=MAX_ATTEMPTS)
        self.model = Model(self.clock.time, self.clock.time + HOUR)
        in_batch = [job.id or 0 for job in self.scene.jobs(self.batch_id)]
        for job_id in [*in_batch, *inline]:
            self.model.jobs[job_id] = ModelJob(self.clock.time, MAX_ATTEMPTS, in_batch=job_id in in_batch)
        self.claims = []
        self.flights = []
        self.ended = {}

    @initialize(holds=st.booleans(), priorities=PRIORITIES)
    def choose(self, holds, priorities):
        """What the batch wants to become of ambiguous calls; and some jobs go before others."""
        self.model.holds = holds
        self.scene.set_batch(self.batch_id, hold_ambiguous=holds)
        for (job_id, job), priority in zip(self.model.jobs.items(), priorities, strict=True):
            job.priority = priority
            self.scene.set_job(job_id, priority=priority)

    @rule(hand=HANDS, limit=st.integers(1, 5))
    def claim(self, hand, limit):
        claims = self.scene.claim(limit, lane=self.lane, worker=self.hands[hand])
        assert [claim.job_id for claim in claims] == self.model.due(limit)
        for claim in claims:
            self.model.claim(claim.job_id, claim.token, self.hands[hand])
        self.claims += [(claim, self.hands[hand]) for claim in claims]

    @rule(hand=HANDS)
    def fly(self, hand):
        """A worker at work: what is due is claimed and called."""
        self.claim(hand, 4)
        self.depart(range(len(self.claims)))

    @precondition(lambda self: self.claims)
    @rule(choices=CHOICES)
    def depart(self, choices):
        chosen = {place % len(self.claims) for place in choices}
        by_job = {self.claims[place][0].job_id: self.claims[place] for place in chosen}
        self.claims = [held for held in self.claims if held not in by_job.values()]
        self.write(
            [(Departure(claim, new_id("att_"), 100, AT_MOST), hand) for claim, hand in by_job.values()]
        )

    @precondition(lambda self: self.flights)
    @rule(choice=st.integers(0, 50))
    def depart_again(self, choice):
        self.write([self.flights[choice % len(self.flights)]])

    def write(self, leaving):
        for hand in self.hands:
            mine = [flight for flight, by in leaving if by == hand]
            with self.scene.db.begin() as session:
                going = depart(session, mine, hand)
            for flight in mine:
                claim = flight.claim
                may_go = self.model.depart(claim.job_id, claim.token, flight.attempt_id)
                assert may_go == (flight.attempt_id in going)
                if may_go and (flight, hand) not in self.flights:
                    self.flights.append((flight, hand))

    @precondition(lambda self: self.flights)
    @rule(choices=CHOICES, verbs=st.lists(st.sampled_from(Verb), min_size=4, max_size=4), wait=WAITS)
    def land(self, choices, verbs, wait):
        run_at = self.model.now + timedelta(seconds=wait)
        chosen = {place % len(self.flights) for place in choices}
        group = [(self.flights[place][0], verb) for place, verb in zip(chosen, verbs, strict=False)]
        group = [(flight, self.possible(flight, verb)) for flight, verb in group]
        times = {Verb.RETRY: {"run_at": run_at}, Verb.SNOOZE: {"run_at": run_at}}
        self.scene.land(*(LANDINGS[verb](flight, **times.get(verb, {})) for flight, verb in group))
        for flight, verb in sorted(group, key=lambda pair: pair[1] is not Verb.SUCCEED):
            self.model.land(flight.claim.job_id, flight.attempt_id, verb, run_at)

    def possible(self, flight, verb):
        """A last attempt is not retried: workers see to that."""
        job = self.model.jobs[flight.claim.job_id]
        return Verb.FAIL if verb is Verb.RETRY and job.attempts >= job.max_attempts else verb

    @precondition(lambda self: self.claims)
    @rule(choice=st.integers(0, 50), wait=WAITS)
    def release(self, choice, wait):
        claim, _ = self.claims[choice % len(self.claims)]
        run_at = self.model.now + timedelta(seconds=wait)
        self.scene.release([claim], run_at)
        self.model.release(claim.job_id, claim.token, run_at)

    @rule(hand=HANDS)
    def crash(self, hand):
        """Its row is there or not; it may only seem dead, and go on."""
        self.scene.rescue(self.hands[hand])
        self.model.rescue(self.hands[hand])

    @rule(what=st.integers(0, 9), choice=st.integers(0, 50))
    def decide(self, what, choice):
        """The owner wants a job to go on or to end, or the whole batch to end."""
        job_id = sorted(self.model.jobs)[choice % len(self.model.jobs)]
        if what < 5:
            assert (self.scene.unhold(job_id) is not None) == self.model.unhold(job_id)
        elif what < 9:
            self.scene.cancel(job_id)
            self.model.cancel(job_id)
        else:
            accepted = self.scene.cancel_batch(self.batch_id)
            assert self.all_ended() or accepted != self.model.cancelling
            self.model.cancelling |= accepted

    @precondition(lambda self: self.model.cancelling or self.model.now >= self.model.expires_at)
    @rule()
    def sweep(self):
        state = JobState.CANCELLED if self.model.cancelling else JobState.EXPIRED
        assert self.scene.end_waiting(self.batch_id, state) == self.model.end_waiting(state)

    @rule(seconds=st.sampled_from([20, 20, 900, 3600, -600]))
    def time_passes(self, seconds):
        self.clock.time += timedelta(seconds=seconds)
        self.model.now = self.clock.time

    @invariant()
    def the_tables_are_as_the_model_says(self):
        with self.scene.db.read() as session:
            jobs = session.execute(select(tables.jobs).where(tables.jobs.c.lane == self.lane)).all()
            made = select(tables.attempts.c.job_id).where(tables.attempts.c.job_id.in_(self.model.jobs))
            calls = Counter(session.execute(made).scalars())
        assert {job.id for job in jobs} == set(self.model.jobs)
        for job in jobs:
            known = self.model.jobs[job.id]
            seen = (
                job.state,
                job.lease_token,
                job.worker_id,
                job.attempts,
                job.crashes,
                job.calls,
                calls[job.id],
            )
            assert seen == (
                known.state, known.token, known.worker, known.attempts, known.crashes,
                len(known.flights), len(known.flights),
            )  # fmt: skip
            assert known.state in FINAL or job.run_at == known.run_at
            if job.state in FINAL:
                result = (job.state, job.answer, job.error_code, job.result_no, job.finished_at)
                assert self.ended.setdefault(job.id, result) == result
        self.the_batch_adds_up(jobs)

    def the_batch_adds_up(self, jobs):
        batch = self.scene.batch_row(self.batch_id)
        ours = [job for job in jobs if job.batch_id]
        states = Counter(job.state for job in ours)
        for name in ("succeeded", "failed", "cancelled", "expired"):
            assert getattr(batch, name) == states[name]
        ended = sum(states[state] for state in FINAL)
        assert sorted(job.result_no for job in ours if job.result_no) == list(range(1, ended + 1))
        assert batch.total_tokens == sum(job.total_tokens for job in ours)

    def teardown(self):
        check_rows(self.scene.db)
        with self.scene.db.read() as session:
            assert usage_hours.differences(session) == {}
        self.scene.close(self.batch_id)
        status = self.scene.batch_row(self.batch_id).status
        assert (status == BatchStatus.FINALIZING) == (self.all_ended() and not self.model.cancelling)

    def all_ended(self):
        """Whether nothing is left of the batch to be cancelled: the last landing may have closed it."""
        return all(job.state in FINAL for job in self.model.jobs.values() if job.in_batch)


def test_no_order_of_the_verbs_breaks_a_promise(store, monkeypatch):
    is_sqlite = store.db.engine.dialect.name == "sqlite"
    frozen = Frozen()
    monkeypatch.setattr(clock, "_clock", frozen)
    bound = type("Bound", (StoreMachine,), {"scene": store, "clock": frozen})

    run_state_machine_as_test(
        bound,
        settings=settings(
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
            max_examples=40 if is_sqlite else 10,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )
