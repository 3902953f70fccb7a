"""Reads for many polls at once: those that come while one is under way, or was a moment ago, share the next.

So each is answered with what was true after it came, and however many come, there are not more reads than
one every 25 ms. A poll that is alone waits for nobody.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection

from starlette.concurrency import run_in_threadpool

from api.batch_object import BatchObject
from headrace.db import Database
from headrace.store.polling import Question, polled

GATHER_SECONDS = 0.025
Answer = bytes | None


class PollReads:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Question, list[asyncio.Future[Answer]]] = defaultdict(list)
        self._reading: asyncio.Task[None] | None = None
        self._next_at = 0.0

    async def answer(self, database: Database, question: Question) -> Answer:
        """The batch object as JSON; None if there is none for this secret. Raises what the read raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting[question].append(future)
        if self._reading is None:
            self._reading = loop.create_task(self._read(database))
        return await future

    async def _read(self, database: Database) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(max(0.0, self._next_at - loop.time()))
                self._next_at = loop.time() + GATHER_SECONDS
                asked, self._waiting = self._waiting, defaultdict(list)
                await _answer(database, asked)
        finally:
            self._reading = None


async def _answer(database: Database, asked: dict[Question, list[asyncio.Future[Answer]]]) -> None:
    waiting = [(question, future) for question, futures in asked.items() for future in futures]
    try:
        answers = await run_in_threadpool(_answers, database, list(asked))
    except Exception as error:  # noqa: BLE001 - it is everybody's who waits
        for _, future in waiting:
            if not future.done():
                future.set_exception(error)
        return
    for question, future in waiting:
        if not future.done():  # the client may be gone
            future.set_result(answers.get(question))


def _answers(database: Database, questions: Collection[Question]) -> dict[Question, bytes]:
    rows = polled(database, questions)
    return {
        question: BatchObject.of_row(row, row["held"], row["closed_period"]).model_dump_json().encode()
        for question, row in rows.items()
    }
