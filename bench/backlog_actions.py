"""What is timed over a backlog: a slice of jobs from claim to landing, a poll, a sweep."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from redis import Redis
from sqlalchemy import update

from bench.filled import BODY, HOUR, MAX_ATTEMPTS, Filled, batch_id_of, lane_of
from bench.inputs import ENDPOINT
from bench.provider import COMPLETION
from headrace import dispatch
from headrace.ids import new_id
from headrace.settings import Settings
from headrace.states import Outcome
from headrace.store import jobs as job_verbs
from headrace.store.jobs import Claim, Departure, NewJob
from headrace.store.landings import Landing, Verb, land
from headrace.store.tables import batches
from headrace.usage import Usage
from worker.lookout import Lookout
from worker.stopping import StopFlag
from worker.sweep import Sweeper
from worker.watching import Watch

SLICE = 100
LANE = lane_of(0)
POLL_SECONDS = 30.0
FIRST_NEW_LINE = 10_000_000
USAGE = Usage(prompt_tokens=24, completion_tokens=23, total_tokens=47)
ANSWER = orjson.dumps(COMPLETION).decode()


class Slices:
    """Slices of the first lane, as one worker drains it. What a slice took is queued anew behind the rest."""

    def __init__(self, filled: Filled) -> None:
        self._filled = filled
        self._worker = filled.workers[0]
        self._next_line = FIRST_NEW_LINE

    def run(self) -> float:
        """Claim, depart and land; returns the seconds that it took."""
        db = self._filled.db
        began = time.perf_counter()
        with db.begin() as session:
            claims = job_verbs.claim(session, LANE, SLICE, self._worker)
        leaving = [Departure(claim, new_id("att_"), 100, 1000) for claim in claims]
        with db.begin() as session:
            going = job_verbs.depart(session, leaving, self._worker)
        with db.begin() as session:
            land(session, [_succeeded(departure) for departure in leaving])
        seconds = time.perf_counter() - began
        if len(going) < min(SLICE, self._filled.load.jobs):
            raise RuntimeError(f"a slice had {len(going)} jobs")
        self._refill(claims)
        return seconds

    def _refill(self, gone: Sequence[Claim]) -> None:
        """As many new lines for each batch as it has lost."""
        with self._filled.db.begin() as session:
            for batch_id, count in Counter(claim.batch_id for claim in gone).items():
                assert batch_id
                lines = range(self._next_line, self._next_line + count)
                self._next_line += count
                more = update(batches).where(batches.c.id == batch_id)
                more = more.values(total=batches.c.total + count, ingested=batches.c.ingested + count)
                session.execute(more)
                job_verbs.submit(
                    session,
                    [NewJob(line, f"more-{line}", ENDPOINT, LANE, BODY, 20, None) for line in lines],
                    api_key_id=self._filled.key_id,
                    batch_id=batch_id,
                    max_attempts=MAX_ATTEMPTS,
                )


class Polls:
    """`GET /v1/batches/{id}` of the first batch, on a connection that is there already."""

    def __init__(self, base_url: str, secret: str) -> None:
        self._connection = HTTPConnection(urlsplit(base_url).netloc, timeout=POLL_SECONDS)
        self._headers = {"Authorization": f"Bearer {secret}"}

    def run(self) -> float:
        """One poll; returns the seconds that it took. Raises RuntimeError unless it is answered with 200."""
        self._connection.close()  # the server does not keep one for as long as a round may take
        self._connection.connect()
        began = time.perf_counter()
        self._connection.request("GET", f"/v1/batches/{batch_id_of(0)}", headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"a poll was answered with {answer.status}")
        return seconds

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Sweeps:
    """Sweeps of a process that has just begun to lead, so that every duty is due, and drains every lane."""

    def __init__(self, filled: Filled, redis: Redis, folder: Path) -> None:
        self._filled = filled
        self._redis = redis
        self._folder = folder

    def run(self) -> float:
        """One sweep; returns the seconds that it took. Raises RuntimeError if it broke off."""
        watch = Watch(self._filled.workers[0], HOUR.total_seconds())
        stop = StopFlag()
        sweeper = Sweeper(self._filled.db, self._redis, stop, watch, self._folder)
        lookout = Lookout(self._filled.db, stop, lambda _: True)
        with _complaints() as complaints:
            began = time.perf_counter()
            sweeper.sweep()
            lookout.look()
            seconds = time.perf_counter() - began
        self._redis.flushdb()  # the lock of the one that leads, and the hints
        if complaints:
            raise RuntimeError(f"a sweep said: {complaints[0].getMessage()}")
        return seconds


@contextmanager
def hints_to(redis_url: str) -> Iterator[None]:
    """Hints go there, whatever the environment says."""
    before, dispatch.app = dispatch.app, dispatch.make_app(redis_url)
    try:
        yield
    finally:
        dispatch.app.close()
        dispatch.app = before


def api_settings(filled: Filled, redis_url: str, folder: Path) -> Settings:
    """Those of an API over the database."""
    database_url = filled.db.engine.url.render_as_string(hide_password=False)
    return Settings(database_url=database_url, redis_url=redis_url, data_dir=folder)


@contextmanager
def _complaints() -> Iterator[list[logging.LogRecord]]:
    """The warnings of the sweep and of what it calls, which go on where a program of the bench must not."""
    heard: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = heard.append  # type: ignore[method-assign, assignment]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield heard
    finally:
        root.removeHandler(handler)


def _succeeded(departure: Departure) -> Landing:
    return Landing(
        departure.claim.job_id,
        departure.claim.token,
        departure.attempt_id,
        Verb.SUCCEED,
        Outcome.SUCCEEDED,
        usage=USAGE,
        status_code=200,
        request_id="req_bench",
        answer=ANSWER,
    )
