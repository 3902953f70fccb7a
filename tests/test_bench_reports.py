"""The bench of the reports: what it fills, what it asks, what it judges, and that it runs."""

from contextlib import closing

import pytest
from rich.console import Console
from sqlalchemy import select

from bench import reports
from bench.ledger import BATCHES, DAYS, KEYS, MODELS, PRICES, TAG_SETS, fill
from bench.questions import of_ledger, of_sums, questions
from bench.reports import Asked, Findings
from headrace.db import Database
from headrace.store import usage_hours
from headrace.store.tables import attempts, jobs
from headrace.usage import Usage

JOBS = 450  # a few more to some batches than to others


@pytest.fixture
def ledger(database_url):
    with closing(Database(database_url)) as db:
        yield fill(db, JOBS, at_once=3)


def test_jobs_of_all_kinds_are_spread_over_all_days_and_cost_what_their_price_says(ledger):
    with ledger.db.read() as session:
        rows = session.execute(select(jobs, attempts).join_from(jobs, attempts)).mappings().all()
    known = {price.id: price for price in PRICES}
    different = {name: {row[jobs.c[name]] for row in rows} for name in ("batch_id", "lane", "tags_id")}
    hours = [int(row[attempts.c.departed_at].timestamp()) for row in rows]
    lost = [row for row in rows if row[attempts.c.outcome] == "ambiguous"]

    assert len(rows) == JOBS
    assert {name: len(values) for name, values in different.items()} == {
        "batch_id": BATCHES,
        "lane": MODELS,
        "tags_id": TAG_SETS,
    }
    assert len({row[jobs.c.api_key_id] for row in rows}) == KEYS
    assert ledger.start <= min(hours) < max(hours) < ledger.end
    assert len({hour // 86400 for hour in hours}) > DAYS * 0.7
    assert 0 < len(lost) < JOBS / 50
    for row in rows:
        price, cost = known[row[attempts.c.price_id]], row[attempts.c.cost_nanos]
        used = Usage(*(row[attempts.c[name]] for name in Usage.__slots__))
        assert cost == (None if row in lost else price.cost(used))
        assert row[attempts.c.cost_at_most_nanos] == price.at_most(2000, 2000)


def test_sums_and_ledger_give_each_question_the_same_answer(ledger):
    with ledger.db.begin() as session:
        usage_hours.rebuild(session)
    with ledger.db.read() as session:
        put = questions(ledger)
        answers = {question.name: of_sums(session, question) for question in put}

        assert answers == {question.name: of_ledger(session, question) for question in put}
    assert [len(answers[name]) for name in ("by model", "by batch", "by tag:project")] == [5, 40, 10]
    assert answers["all together"][()][0] == JOBS
    assert 0 < sum(calls for calls, *_ in answers["a key's last 30 days by model"].values()) < JOBS / KEYS


def asked(name="by day", ms=50.0, ledger_ms=5000.0, is_same=True):
    return Asked(name, 90, [ms] * 3, ledger_ms, is_same)


@pytest.mark.parametrize(
    ("one", "unlike", "broken"),
    [
        (asked(), 0, []),
        (asked(ms=101), 0, ["sqlite: the slowest report, by day, median"]),
        (asked(ledger_ms=200), 0, ["sqlite: the ledger takes longer, at least for by day"]),
        (asked(is_same=False), 0, ["sqlite: answers unlike the ledger's"]),
        (asked(), 1, ["sqlite: sums unlike the ledger's"]),
    ],
)
def test_slow_or_useless_or_wrong_sums_break_a_promise_each(one, unlike, broken):
    found = Findings("sqlite", 0.0, unlike=unlike, asked=[asked("by model", ms=40), one])

    assert reports.report(1000, [found]).broken == broken


@pytest.mark.benches
@pytest.mark.slow
def test_the_program_runs():
    found = reports.measure(Console(quiet=True), jobs=JOBS, at_once=2)

    assert not [what for what in found.broken if "unlike" in what]
    for kind in ("sqlite", "postgresql"):
        assert len(found.figures[kind]["questions"]) == 7
        assert 0 < found.figures[kind]["sums"] <= JOBS
