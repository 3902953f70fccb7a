"""What people ask of usage, of the sums by hour and of the ledger itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import JSON, BigInteger, ColumnElement, cast, extract, func, select, type_coerce
from sqlmodel import Session

from bench.ledger import MICROSECONDS, Ledger
from headrace.periods import DAY
from headrace.store.reports import Value, Wanted, report
from headrace.store.tables import attempts, jobs, tag_sets

LATELY = 30 * DAY
PROJECT = "tag:project"
Answer = dict[tuple[Value, ...], tuple[int, int, int]]
"""By the values of a group: calls, tokens, nanos of those whose cost is known."""


class Question(NamedTuple):
    """Which calls, and what they are grouped by: names that `reports.report` knows."""

    name: str
    wanted: Wanted
    group_by: Sequence[str] = ()


def questions(ledger: Ledger) -> list[Question]:
    """Those that are put."""
    everything = Wanted(ledger.start, ledger.end)
    lately = Wanted(ledger.end - LATELY, ledger.end, api_key_ids=ledger.key_ids[:1])
    return [
        Question("by model", everything, ("model",)),
        Question("by day", everything, ("day",)),
        Question("by key and day", everything, ("api_key_id", "day")),
        Question("by batch", everything, ("batch_id",)),
        Question(f"by {PROJECT}", everything, (PROJECT,)),
        Question("a key's last 30 days by model", lately, ("model",)),
        Question("all together", everything),
    ]


def of_sums(session: Session, question: Question) -> Answer:
    """What headrace reports."""
    rows = report(session, question.wanted, question.group_by)
    return {
        tuple(row.group.values()): (row.sums.calls, row.sums.total_tokens, row.sums.cost_nanos)
        for row in rows
    }


def of_ledger(session: Session, question: Question) -> Answer:
    """The same, added up from all calls."""
    is_postgres = session.get_bind().dialect.name == "postgresql"
    seconds = (
        extract("epoch", attempts.c.departed_at).cast(BigInteger)
        if is_postgres
        else type_coerce(attempts.c.departed_at, BigInteger) // MICROSECONDS
    )
    tags: Any = cast(tag_sets.c.tags, JSON) if is_postgres else type_coerce(tag_sets.c.tags, JSON)
    columns: dict[str, ColumnElement[Any]] = {
        "model": jobs.c.lane,
        "day": seconds - seconds % DAY,
        "api_key_id": jobs.c.api_key_id,
        "batch_id": jobs.c.batch_id,
        PROJECT: tags["project"].as_string(),
    }
    groups = [columns[name].label(f"group_{place}") for place, name in enumerate(question.group_by)]
    sums = func.count(), func.sum(attempts.c.total_tokens), func.sum(func.coalesce(attempts.c.cost_nanos, 0))
    source = attempts.join(jobs, jobs.c.id == attempts.c.job_id)
    if PROJECT in question.group_by:
        source = source.join(tag_sets, tag_sets.c.id == jobs.c.tags_id)
    found = select(*sums, *groups).select_from(source).group_by(*groups)
    conditions = [seconds >= question.wanted.start, seconds < question.wanted.end]
    if question.wanted.api_key_ids:
        conditions.append(jobs.c.api_key_id.in_(question.wanted.api_key_ids))
    rows = session.execute(found.where(*conditions)).all()
    return {tuple(row[3:]): (int(row[0]), int(row[1]), int(row[2])) for row in rows if row[0]}
