"""What polls of batches ask, in one statement: whose keys these are, how the batches and their jobs stand."""

from collections.abc import Collection

from sqlalchemy import RowMapping, bindparam, func, select

from headrace.db import Database
from headrace.store.conditions import HELD
from headrace.store.keys import digest
from headrace.store.pausing import closed_period
from headrace.store.tables import api_keys, batches, jobs

Question = tuple[str, str]
"""The secret that came with a poll, and the id of a batch."""

_held = select(func.count()).where(
    HELD, jobs.c.api_key_id == batches.c.api_key_id, jobs.c.batch_id == batches.c.id
)
_POLLED = (
    select(
        batches,
        api_keys.c.sha256,
        _held.scalar_subquery().label("held"),
        closed_period(batches.c.api_key_id).correlate(batches).scalar_subquery().label("closed_period"),
    )
    .join(api_keys, api_keys.c.id == batches.c.api_key_id)
    .where(api_keys.c.revoked_at.is_(None), batches.c.id.in_(bindparam("batch_ids", expanding=True)))
)


def polled(db: Database, questions: Collection[Question]) -> dict[Question, RowMapping]:
    """The batches' rows and, as `held`, how many of their jobs are; without what is not that live key's.

    `closed_period` is that of a budget of the key that is used up.
    """
    rows = db.ask(_POLLED, {"batch_ids": sorted({batch_id for _, batch_id in questions})})
    by_owner = {(row["sha256"], row["id"]): row for row in rows}
    found = ((question, by_owner.get((digest(question[0]), question[1]))) for question in questions)
    return {question: row for question, row in found if row is not None}
