"""An owner who submits batches without end, and never more than a bounded backlog."""

import json
import random
import threading
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from headrace.client import Refused, Unreachable
from headrace.states import BATCH_FINAL
from headrace.store import tables
from tests.soak.rig import CANARY, Rig

BACKLOG_JOBS = 500
LOOK_SECONDS = 0.5
LINES = (5, 160)  # more than the limits let pass


class Load:
    """A thread that submits until `stop`. `accepted`: the lines of each batch that was answered with 2xx."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.accepted: dict[str, int] = {}
        self.refusals: list[str] = []
        self._rig = rig
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._number = 0
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """No batch is submitted any more."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                if unfinished_jobs(self._rig) < BACKLOG_JOBS:
                    self._submit()
            except SQLAlchemyError:
                continue  # the database is away
            except (Refused, Unreachable) as error:
                self.refusals.append(str(error))

    def _submit(self) -> None:
        lines = self._random.randint(*LINES)
        path = self._rig.folder / "input.jsonl"
        path.write_text("".join(json.dumps(self._line()) + "\n" for _ in range(lines)))
        file_id = self._rig.client.upload(path, path.name)
        batch = self._rig.client.create_batch(file_id, "/v1/chat/completions", {})
        self.accepted[batch.id] = lines

    def _line(self) -> dict[str, Any]:
        self._number += 1
        content = f"{self._number}: {CANARY}, 水车 " + "and on it turns " * self._random.randint(0, 40)
        return {
            "custom_id": f"line-{self._number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "small", "messages": [{"role": "user", "content": content}]},
        }


def unfinished_jobs(rig: Rig) -> int:
    """How many lines were taken on and have no result; at least 1 while a batch is not final."""
    columns = tables.batches.c
    ended = columns.succeeded + columns.failed + columns.cancelled + columns.expired
    open_ones = columns.status.not_in(BATCH_FINAL)
    wanted = select(func.count(), func.sum(columns.total - ended)).where(open_ones)
    with rig.db.read() as session:
        batches, jobs = session.execute(wanted).one()
    return max(batches, jobs or 0)
