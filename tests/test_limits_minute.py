"""The promise: in any 60 seconds what is granted stays within the limits, also after Redis forgot all."""

from itertools import cycle, islice

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bench.witness import rolling_maximum
from headrace.limits import AIM, BURST_SECONDS, MINUTE_MICROSECONDS, connect
from tests.gcra import SECOND, Caller
from tests.lapse import lapse

EVENTS = 60
STEPS = st.lists(st.floats(0.5, 2.5), min_size=EVENTS, max_size=EVENTS)
SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=5)
TIGHTNESS = st.sampled_from([0.5, 1, 2])
PAUSES = st.dictionaries(st.integers(0, EVENTS - 1), st.floats(0.1, 3.0), max_size=2)
LOSSES = st.lists(st.integers(5, EVENTS - 1), max_size=2, unique=True).map(sorted)
STEADILY = settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink sixty steps would take minutes
)


@pytest.fixture
def client(redis_client_url):
    client = connect(redis_client_url)
    yield client
    client.connection_pool.disconnect()


class Queue:
    """Two workers that always want more, on one quota, and the log of every slot that they were given."""

    def __init__(self, client, sizes, rpm, tightness):
        client.flushdb()
        self.client, self.sizes, self.rpm = client, sizes, rpm
        self.tpm = max(1, round(rpm * sum(sizes) / len(sizes) / tightness))
        burst = BURST_SECONDS * SECOND
        self.meters = [
            ("requests", MINUTE_MICROSECONDS / (rpm * AIM), burst),
            ("tokens", MINUTE_MICROSECONDS / (self.tpm * AIM), burst),
        ]
        self.workers = [Caller(client), Caller(client)]
        self.passed, self.number = 0, 0
        self.granted: list[tuple[int, int]] = []
        for worker in self.workers:
            self.book(worker)
        self.lapse(300)  # idle, so that the queue begins with a burst

    def lapse(self, seconds):
        lapse(self.client, seconds)
        for worker in self.workers:
            worker.lapse(round(seconds * SECOND))
        self.passed += round(seconds * SECOND)

    def book(self, worker):
        """All that it can get; the first answer is good and comes at once."""
        tokens = list(islice(cycle(self.sizes), self.rpm // 12 + 2))  # more than five seconds' worth
        for _ in range(2):  # the probes, and what they open
            calls = [(f"call-{self.number + place}", units) for place, units in enumerate(tokens)]
            self.number += len(calls)
            _, _, *slots = worker.book("lane", calls, self.meters, cap=0)
            self.granted += [(slot + self.passed, units) for slot, units in zip(slots, tokens, strict=False)]
            worker.settle(calls[0][0], "lane", 1, 0, 0, self.meters)

    def most_requests(self):
        return most_within_a_minute([(slot, 1) for slot, _ in self.granted])

    def most_tokens(self):
        return most_within_a_minute(self.granted)


def most_within_a_minute(granted):
    slots, units = zip(*sorted(granted), strict=True)
    return rolling_maximum(slots, units, MINUTE_MICROSECONDS)


@STEADILY
@given(steps=STEPS, sizes=SIZES, pauses=PAUSES, rpm=st.integers(1, 240), tightness=TIGHTNESS, losses=LOSSES)
def test_workers_that_know_the_quota_keep_its_limits_over_every_loss(
    client, steps, sizes, pauses, rpm, tightness, losses
):
    """`tightness` decides whether requests or tokens are the limit."""
    queue = Queue(client, sizes, rpm, tightness)
    for number, seconds in enumerate(steps):
        queue.lapse(seconds)
        if number in losses:
            client.flushdb()
        if number in pauses:
            queue.workers[0]("pause", "", [], pauses[number] * SECOND, "429", 0, 0)
        busy, idle = queue.workers  # the idle one knows little of what the other was given
        for worker in (idle, busy) if number == 0 or number in losses else (busy,):
            queue.book(worker)

    assert queue.most_requests() <= rpm
    assert queue.most_tokens() <= queue.tpm + max(sizes)


@STEADILY
@given(
    steps=STEPS,
    sizes=SIZES,
    rpm=st.integers(1, 240),
    tightness=TIGHTNESS,
    loss=st.integers(20, EVENTS - 1),
    late=st.integers(0, 10),
    new_first=st.booleans(),
)
@example(steps=[1.0] * EVENTS, sizes=[1], rpm=2400, tightness=1, loss=40, late=5, new_first=True)
def test_a_new_worker_that_comes_just_after_a_loss_adds_no_more_than_the_burst(
    client, steps, sizes, rpm, tightness, loss, late, new_first
):
    """Whether it comes before or `late` steps before the one that knew, or behind it."""
    queue = Queue(client, sizes, rpm, tightness)
    knew, new = queue.workers
    for number, seconds in enumerate(steps):
        queue.lapse(0 if number == loss else seconds)
        if number == loss:
            client.flushdb()
            new.forget()
        waits = loss <= number < loss + late
        for worker in (new, knew) if new_first else (knew, new):
            if worker is new or not (waits and new_first):
                queue.book(worker)

    assert queue.most_requests() <= rpm + rpm / 60 * BURST_SECONDS + 1
    assert queue.most_tokens() <= queue.tpm + queue.tpm / 60 * BURST_SECONDS + 2 * max(sizes)
