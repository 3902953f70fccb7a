"""One job at a time on an idle stack: when each step of it is reached, beside a bare call of the bench."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import requests

from bench.arrivals import Arrivals
from bench.inputs import ENDPOINT, MODEL
from headrace.db import Database
from headrace.embedded import Stack
from headrace.store.reading import attempts_of

IDLE_SECONDS = (0.1, 0.6)
LONG_IDLE_SECONDS = 10.0
LONG_IDLE_EVERY = 40
NEW_LANE_EVERY = 10
TIMEOUT_SECONDS = 30.0
WARM_UP = 3  # connections are made, and processes import what they need
KNOWN, NEW, RESTED = "a known lane", "a new lane", f"after {LONG_IDLE_SECONDS:.0f} s of idling"


class Way(NamedTuple):
    """Seconds from before the client's POST until each step of a job; and of a bare call to its first byte.

    `answered` is the answer to the POST, `departed` the time that the attempt was written with.
    """

    kind: str
    answered: float
    departed: float
    first_byte: float
    bare: float


def ways(stack: Stack, provider: Arrivals, jobs: int) -> Iterator[Way]:
    """So many jobs, one after another, each after idling for a random time. The first few are not told of."""
    chance = random.Random(jobs)
    with _Traveller(stack, provider) as traveller:
        for number in range(-WARM_UP, jobs):
            kind = _kind(number)
            time.sleep(LONG_IDLE_SECONDS if kind == RESTED else chance.uniform(*IDLE_SECONDS))
            way = traveller.way(number, kind)
            if number >= 0:
                yield way


def _kind(number: int) -> str:
    if number % LONG_IDLE_EVERY == LONG_IDLE_EVERY - 1 and number >= 0:
        return RESTED
    return NEW if number % NEW_LANE_EVERY == 0 and number >= 0 else KNOWN


class _Traveller(ExitStack):
    """The connections that the steps are seen through. They are kept, as those of any client."""

    def __init__(self, stack: Stack, provider: Arrivals) -> None:
        super().__init__()
        self._provider = provider
        self._jobs = f"{stack.base_url}/v1/jobs"
        self._calls = provider.base_url + ENDPOINT.removeprefix("/v1")
        self._client = self.enter_context(requests.Session())
        self._client.headers["authorization"] = f"Bearer {stack.api_key}"
        self._bare = self.enter_context(requests.Session())
        self._database = Database(stack.settings.database)
        self.callback(self._database.close)

    def way(self, number: int, kind: str) -> Way:
        """One job, and one bare call after it."""
        body = {"model": f"{MODEL}-{number}" if kind == NEW else MODEL}
        at, began = time.time(), time.monotonic()
        answer = self._post(self._client, self._jobs, body, f"call-{number + WARM_UP}")
        answered = time.monotonic()
        first_byte = self._provider.time_of(f"call-{number + WARM_UP}", TIMEOUT_SECONDS)
        departed = self._departed(int(answer["id"].removeprefix("job_")))
        bare_began = time.monotonic()
        self._post(self._bare, self._calls, body, f"call-bare-{number + WARM_UP}")
        bare = self._provider.time_of(f"call-bare-{number + WARM_UP}", TIMEOUT_SECONDS)
        return Way(kind, answered - began, departed - at, first_byte - began, bare - bare_began)

    def _post(self, client: requests.Session, url: str, body: dict[str, Any], name: str) -> Any:
        asked = {**body, "messages": [{"role": "user", "content": name}]}
        answer = client.post(url, json=asked, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def _departed(self, job_id: int) -> float:
        """In seconds since the epoch."""
        with self._database.read() as session:
            return attempts_of(session, job_id)[0].departed_at.timestamp()
