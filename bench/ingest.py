"""Ingest: from `POST /v1/batches` to `in_progress`, beside a plain insert of the same lines.

Each round is the plain insert (`bench.plain_insert`) and then our own: an idle stack with one worker, in
folders and databases of their own. A batch is in progress when its lines are checked; its rows follow while
its first jobs run already (`docs/decisions/0002`), so the time of the last row is stated, too. No call gets
anywhere: the provider is not there, and the quota lets one call a minute try.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from bench.inputs import ENDPOINT, MODEL, SENTENCE, custom_ids
from bench.plain_insert import plain_insert
from bench.postgres import running_postgres
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from headrace.client import Client
from headrace.db import Database
from headrace.embedded import Stack
from headrace.states import BatchStatus
from headrace.store import batches

JOBS = 50_000
LINE_BYTES = 2048
ROUNDS = 5
MOST_OF_PLAIN = 1.5
NOBODY = "http://127.0.0.1:9/v1"
POLL_SECONDS = 0.03
SLOWEST_PER_SECOND = 500
SLACK_SECONDS = 60.0
KINDS = ("sqlite", "postgresql")


class Round(NamedTuple):
    """Seconds of the plain insert, of ours until the batch is in progress, and until its last row."""

    plain: float
    begun: float
    stored: float


@dataclass
class Findings:
    """Rounds by kind of database. `load_before` is the machine's load average at the start."""

    jobs: int
    load_before: float
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    def of_plain(self, kind: str, step: str) -> float:
        """What a step took, in times of the plain insert: of both, the median of all rounds."""
        return self.median(kind, step) / self.median(kind, "plain")

    def median(self, kind: str, step: str) -> float:
        """Seconds."""
        seconds: float = median(getattr(each, step) for each in self.rounds[kind])
        return seconds


def measure(console: Console, jobs: int = JOBS, rounds: int = ROUNDS) -> Report:
    """Run it: about three minutes with the lines that the promise names."""
    found = Findings(jobs, os.getloadavg()[0])
    with bench_folder() as folder, running_postgres(folder) as server, console.status("") as status:
        source = folder / "input.jsonl"
        write_lines(source, jobs)
        for number in range(1, rounds + 1):
            for kind in KINDS:
                status.update(f"{kind}, round {number} of {rounds}")
                new_url = _new_sqlite(folder) if kind == "sqlite" else _new_postgresql(server)
                found.rounds.setdefault(kind, []).append(_round(folder, new_url, source, jobs))
    return report(found)


def write_lines(path: Path, jobs: int, line_bytes: int = LINE_BYTES) -> None:
    """Batch lines of so many bytes each, as Python's `json.dumps` writes them."""
    text = SENTENCE * (line_bytes // len(SENTENCE) + 1)
    with path.open("w", encoding="utf-8") as out:
        for custom_id in custom_ids(jobs):
            bare = len(_line(custom_id, "")) + 1
            print(_line(custom_id, text[: line_bytes - bare]), file=out)


def report(found: Findings) -> Report:
    """The findings, and what is promised."""
    promises = [
        Promise(
            f"{kind}: until in progress",
            f"{found.of_plain(kind, 'begun'):.2f} x the plain insert",
            f"at most {MOST_OF_PLAIN} x",
            found.of_plain(kind, "begun") <= MOST_OF_PLAIN,
        )
        for kind in found.rounds
    ]
    return Report("ingest", [_table(found)], _figures(found), promises)


def _round(folder: Path, new_url: Callable[[], str], source: Path, jobs: int) -> Round:
    plain = plain_insert(new_url(), source)
    place = folder / f"stack-{time.monotonic_ns()}"
    place.mkdir()
    with running_stack(place, NOBODY, workers=1, database_url=new_url(), rpm=1) as stack:
        return Round(plain, *_ingest(stack, source, jobs))


def _ingest(stack: Stack, source: Path, jobs: int) -> tuple[float, float]:
    """Seconds from `POST /v1/batches` until it is in progress, and until all its lines are rows."""
    client, database = Client(stack.base_url, stack.api_key), Database(stack.settings.database)
    file_id = client.upload(source, source.name)
    began = time.monotonic()
    deadline = began + jobs / SLOWEST_PER_SECOND + SLACK_SECONDS
    batch_id = client.create_batch(file_id, ENDPOINT, {}).id
    _wait(lambda: client.batch(batch_id).status != BatchStatus.VALIDATING, deadline)
    begun = time.monotonic() - began

    def is_stored() -> bool:
        with database.read() as session:
            batch = batches.get(session, batch_id)
        return batch is not None and batch.ingested == jobs

    _wait(is_stored, deadline)
    stored = time.monotonic() - began
    if client.batch(batch_id).status != BatchStatus.IN_PROGRESS:
        raise RuntimeError("the batch is not in progress")
    client.close()
    database.close()
    return begun, stored


def _wait(is_so: Callable[[], bool], deadline: float) -> None:
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("the input was not ingested in time")
        time.sleep(POLL_SECONDS)


def _new_sqlite(folder: Path) -> Callable[[], str]:
    return lambda: f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}"


def _new_postgresql(server: str) -> Callable[[], str]:
    def new() -> str:
        name, url = f"bench_{time.monotonic_ns()}", make_url(server)
        with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return url.set(database=name).render_as_string(hide_password=False)

    return new


def _line(custom_id: str, text: str) -> str:
    messages = [{"role": "system", "content": "You are a miller."}, {"role": "user", "content": text}]
    body = {"model": MODEL, "messages": messages, "max_tokens": 500, "temperature": 0.7}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body})


def _table(found: Findings) -> Table:
    rounds = len(next(iter(found.rounds.values())))
    what = f"{found.jobs:,} lines of {LINE_BYTES:,} bytes"
    title = f"{what}; medians of {rounds}, load {found.load_before:.1f} before"
    table = Table("", "plain insert", "until in progress", "until the last row", title=title)
    for kind in found.rounds:
        ours = (
            f"{found.median(kind, step):.2f} s, {found.of_plain(kind, step):.2f} x"
            for step in ("begun", "stored")
        )
        table.add_row(kind, f"{found.median(kind, 'plain'):.2f} s", *ours)
    return table


def _figures(found: Findings) -> dict[str, object]:
    rounds = {kind: [each._asdict() for each in many] for kind, many in found.rounds.items()}
    ratios = {
        kind: {step: found.of_plain(kind, step) for step in ("begun", "stored")} for kind in found.rounds
    }
    return {"jobs": found.jobs, "load_before": found.load_before, "of_plain": ratios, "rounds": rounds}
