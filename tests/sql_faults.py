"""A database whose statements and commits fail now and then: before they ran, or after."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import Engine, event

EXEMPT = ("BEGIN", "PRAGMA")


class SqlFaults:
    """Fails with the driver's OperationalError, which SQLAlchemy wraps into its own; seeded.

    `told` counts the failures by their place: "statement, not run", "statement, run", "commit, not done",
    "commit, done". The last is the one that no client can tell from the one before.
    """

    def __init__(self, engine: Engine, seed: int, *, statements: float, commits: float) -> None:
        """The shares of statements and of commits that fail, half of them after they were executed."""
        self.told: Counter[str] = Counter()
        self._engine = engine
        self._random = random.Random(seed)
        self._statements = statements
        self._commits = commits
        self._commit = engine.dialect.do_commit

    def start(self) -> None:
        """Fail from now on."""
        event.listen(self._engine, "before_cursor_execute", self._before)
        event.listen(self._engine, "after_cursor_execute", self._after)
        self._engine.dialect.do_commit = self._do_commit  # type: ignore[method-assign, assignment]

    def stop(self) -> None:
        """Be a sound database again."""
        event.remove(self._engine, "before_cursor_execute", self._before)
        event.remove(self._engine, "after_cursor_execute", self._after)
        del self._engine.dialect.do_commit

    def _before(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self._draws(statement):
            self._fail("statement, not run")

    def _after(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self._draws(statement):
            self._fail("statement, run")

    def _draws(self, statement: str) -> bool:
        return not statement.startswith(EXEMPT) and self._random.random() * 2 < self._statements

    def _do_commit(self, connection: Any) -> None:
        share = self._random.random()
        if share * 2 < self._commits:
            self._fail("commit, not done")
        self._commit(connection)
        if share < self._commits:
            self._fail("commit, done")

    def _fail(self, place: str) -> NoReturn:
        self.told[place] += 1
        driver: Any = self._engine.dialect.dbapi
        raise driver.OperationalError(f"the tests say no: {place}")


@contextmanager
def sql_faults(
    engine: Engine, seed: int, *, statements: float = 0.05, commits: float = 0.2
) -> Iterator[SqlFaults]:
    """Failures for as long as the block lasts, and at no other time."""
    faults = SqlFaults(engine, seed, statements=statements, commits=commits)
    faults.start()
    try:
        yield faults
    finally:
        faults.stop()
