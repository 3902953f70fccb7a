"""The whole: API, Valkey, two workers and beat as a stack, called by the unmodified SDK."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from sqlalchemy import func, update
from sqlmodel import col, select

from headrace.clock import now
from headrace.db import Database
from headrace.embedded import Stack
from headrace.models import Attempt, Worker
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.states import Outcome
from headrace.store import tables
from tests.simulated import eventually
from tests.witness import Witness, assert_explained, attempts_of, tokens_of

on_sqlite = pytest.mark.parametrize("mill", ["sqlite"], indirect=True)
each_database_in_faults = pytest.mark.parametrize(
    "mill", ["sqlite", pytest.param("postgresql", marks=pytest.mark.faults)], indirect=True
)

FINAL = ("completed", "failed", "expired", "cancelled")
TIMEOUT_SECONDS = 8.0
MODELS = """
[providers.good]
base_url = "{good}"
[providers.flaky]
base_url = "{flaky}"

[quotas.unpaced]
provider = "good"
[quotas.quick]
provider = "good"
rpm = 18000
[quotas.slow]
provider = "good"
rpm = 1800
[quotas.flaky]
provider = "flaky"

[models.unpaced]
quota = "unpaced"
[models.quick]
quota = "quick"
[models.slow]
quota = "slow"
[models.flaky]
quota = "flaky"
"""


@dataclass
class Mill:
    """A stack, a client of it, its database, and its two providers."""

    stack: Stack
    sdk: OpenAI
    db: Database
    good: Witness
    flaky: Witness
    is_sqlite: bool

    def many(self, count: int) -> int:
        """The numbers that were promised on SQLite, and fewer on PostgreSQL."""
        return count if self.is_sqlite else count // 5

    def submit(self, lines: list[dict[str, Any]]) -> Any:
        """A batch of these lines."""
        content = "".join(json.dumps(line) + "\n" for line in lines)
        file = self.sdk.files.create(file=("input.jsonl", content.encode()), purpose="batch")
        return self.sdk.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )

    def completed(self, batch_id: str) -> int:
        """How many of its requests are."""
        counts = self.sdk.batches.retrieve(batch_id).request_counts
        return counts.completed if counts else 0

    def finished(self, batch_id: str, seconds: float = 90) -> Any:
        """The batch, when it is final."""
        eventually(lambda: self.sdk.batches.retrieve(batch_id).status in FINAL, seconds)
        return self.sdk.batches.retrieve(batch_id)

    def lines_of(self, file_id: str | None) -> dict[str, Any]:
        """A file's lines by their `custom_id`, each of which must come once."""
        if file_id is None:
            return {}
        lines = [json.loads(line) for line in self.sdk.files.content(file_id).text.split("\n")[:-1]]
        by_id = {line["custom_id"]: line for line in lines}
        assert len(by_id) == len(lines)
        return by_id


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def mill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    faults = (("500", 0.1), ("timeout", 0.05), ("cut", 0.05))
    with ExitStack() as cleanup:
        good = _provider(cleanup, folder / "good.jsonl")
        flaky = _provider(cleanup, folder / "flaky.jsonl", faults=faults)
        config = folder / "headrace.toml"
        config.write_text(MODELS.format(good=good.base_url, flaky=flaky.base_url))
        settings: dict[str, Any] = {"data_dir": folder, "config": config, "max_attempts": 20}
        if request.param == "postgresql":
            settings["database_url"] = request.getfixturevalue("postgres_url")
        settings["call_timeout_seconds"] = TIMEOUT_SECONDS
        stack = cleanup.enter_context(Stack(Settings(**settings), workers=2))
        stack.wait_ready()
        db = Database(stack.settings.database)
        cleanup.callback(db.close)
        sdk = cleanup.enter_context(OpenAI(base_url=f"{stack.base_url}/v1", api_key=stack.api_key))
        yield Mill(stack, sdk, db, good, flaky, request.param == "sqlite")


def _provider(cleanup: ExitStack, log: Path, **config: Any) -> Witness:
    simulator = cleanup.enter_context(SimulatorProcess(SimulatorConfig(latency_ms=50, log=log, **config)))
    return Witness(simulator, log)


def chats(model, count, *more):
    """That many lines, and one more for each text in `more`."""
    texts = [f"问题 {number}: why does the wheel turn?" for number in range(count)]
    return [
        {
            "custom_id": f"request-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": text}]},
        }
        for number, text in enumerate([*texts, *more])
    ]


@pytest.mark.slow
def test_a_thousand_requests_come_back_once_each_with_their_usage(mill):
    count = mill.many(1000)
    lines = chats("unpaced", count - 1, "[[sim:400]]")

    batch = mill.finished(mill.submit(lines).id)

    assert batch.status == "completed"
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (count, count - 1, 1)
    answers, refused = mill.lines_of(batch.output_file_id), mill.lines_of(batch.error_file_id)
    assert set(answers) == {line["custom_id"] for line in lines[:-1]}
    ((custom_id, refusal),) = refused.items()
    assert (custom_id, refusal["error"]) == (lines[-1]["custom_id"], None)
    assert refusal["response"]["status_code"] == 400
    assert refusal["response"]["body"]["error"]["message"] == "Invalid value, as asked for."

    calls = mill.good.calls("unpaced")
    attempts = attempts_of(mill.db, batch.id)
    assert_explained(calls, attempts)
    assert len(calls) == len(attempts) == count
    billed = tokens_of(call.usage for call in calls if call.was_answered)
    stated = [line["response"]["body"]["usage"] for line in answers.values()]
    assert sum(usage["total_tokens"] for usage in stated) == billed["total_tokens"]
    assert batch.usage.input_tokens == billed["prompt_tokens"]
    assert batch.usage.output_tokens == billed["completion_tokens"]
    assert batch.usage.total_tokens == billed["total_tokens"] > 0
    assert batch.usage.input_tokens_details.cached_tokens == billed["cached_tokens"]
    assert batch.usage.output_tokens_details.reasoning_tokens == billed["reasoning_tokens"]


def busiest_worker(db):
    """The process with the most calls under way."""
    tally = func.count().desc()
    wanted = select(Worker.pid).join(Attempt, col(Attempt.worker_id) == col(Worker.id))
    wanted = wanted.where(Attempt.outcome == Outcome.OPEN).group_by(col(Worker.id)).order_by(tally)
    with db.read() as session:
        return session.exec(wanted).first()


ENDS = {
    None: (Outcome.SUCCEEDED, 200, None),
    "500": (Outcome.AMBIGUOUS, 500, "server_error"),
    "timeout": (Outcome.AMBIGUOUS, None, "timeout"),
    "cut": (Outcome.AMBIGUOUS, None, "connection_lost"),
}


@pytest.mark.slow
@each_database_in_faults
def test_errors_timeouts_and_cut_answers_are_retried_and_explained(mill):
    count = mill.many(200)

    batch = mill.finished(mill.submit(chats("flaky", count)).id)

    assert batch.status == "completed"
    assert (batch.request_counts.completed, batch.error_file_id) == (count, None)
    assert len(mill.lines_of(batch.output_file_id)) == count
    calls, attempts = mill.flaky.calls(), attempts_of(mill.db, batch.id)
    assert_explained(calls, attempts)
    assert len(calls) == len(attempts)
    for call in calls:
        attempt = attempts[call.attempt]
        assert (attempt.outcome, attempt.status_code, attempt.error_code) == ENDS[call.fault]
    assert Counter(call.fault for call in calls).keys() == ENDS.keys()
    assert batch.usage.total_tokens == tokens_of(c.usage for c in calls if c.was_answered)["total_tokens"]


@pytest.mark.slow
@each_database_in_faults
def test_a_killed_worker_and_a_killed_valkey_cost_at_most_the_calls_in_flight(mill):
    count = mill.many(2000)
    batch = mill.submit(chats("quick", count))

    eventually(lambda: mill.completed(batch.id) > count // 5, 60)
    os.kill(eventually(lambda: busiest_worker(mill.db)), signal.SIGKILL)
    eventually(lambda: mill.completed(batch.id) > count // 2, 60)
    os.kill(mill.stack.pids["valkey"], signal.SIGKILL)
    at_the_kill = mill.completed(batch.id)
    batch = mill.finished(batch.id)

    assert at_the_kill < count
    assert (batch.status, batch.request_counts.completed) == ("completed", count)
    assert len(mill.lines_of(batch.output_file_id)) == count
    calls, attempts = mill.good.calls("quick"), attempts_of(mill.db, batch.id)
    assert_explained(calls, attempts)
    ends = Counter((attempt.outcome, attempt.error_code) for attempt in attempts.values())
    lost = ends[Outcome.AMBIGUOUS, "worker_lost"]
    assert ends == {(Outcome.SUCCEEDED, None): count, (Outcome.AMBIGUOUS, "worker_lost"): lost}
    assert lost
    assert len(calls) <= count + lost
    mill.stack.check()


@pytest.mark.slow
@each_database_in_faults
def test_a_cancelled_batch_makes_no_more_calls_and_accounts_for_the_rest(mill):
    count = 300
    batch = mill.submit(chats("slow", count))
    eventually(lambda: mill.completed(batch.id) >= 5, 30)

    mill.sdk.batches.cancel(batch.id)
    cancelled_at = time.time()
    batch = mill.finished(batch.id)

    assert batch.status == "cancelled"
    attempts = attempts_of(mill.db, batch.id)
    calls = [call for call in mill.good.calls("slow") if call.attempt in attempts]
    assert max(call.at for call in calls) <= cancelled_at + 2
    answers, left = mill.lines_of(batch.output_file_id), mill.lines_of(batch.error_file_id)
    assert len(answers) == batch.request_counts.completed == len(calls) < count
    assert {line["error"]["code"] for line in left.values()} == {"batch_cancelled"}
    assert set(answers) | set(left) == {line["custom_id"] for line in chats("slow", count)}
    assert len(answers) + len(left) == batch.request_counts.total == count
    assert batch.request_counts.failed == 0


@pytest.mark.slow
@on_sqlite
def test_a_batch_past_its_window_expires_with_what_it_has(mill):
    count = 300
    batch = mill.submit(chats("slow", count))
    eventually(lambda: mill.completed(batch.id) >= 5, 30)

    with mill.db.begin() as session:
        over = update(tables.batches).where(tables.batches.c.id == batch.id)
        session.execute(over.values(expires_at=now()))
    batch = mill.finished(batch.id)

    assert batch.status == "expired"
    answers, left = mill.lines_of(batch.output_file_id), mill.lines_of(batch.error_file_id)
    assert 5 <= len(answers) == batch.request_counts.completed < count
    assert {line["error"]["code"] for line in left.values()} == {"batch_expired"}
    assert len(answers) + len(left) == count
