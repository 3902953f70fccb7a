"""The bench of the backlog: what it fills, what it judges, and that it runs."""

import pytest
from rich.console import Console
from sqlalchemy import func, select

from bench import backlog
from bench.backlog import ACTIONS, Costs, Findings, Setting
from bench.filled import Load, batch_id_of, fill, lane_of
from headrace.db import Database
from headrace.store import jobs, workers
from headrace.store.tables import batches
from headrace.store.tables import jobs as rows


@pytest.mark.parametrize("load", [Load(7), Load(10, 3), Load(10, 6, 2)])
def test_a_load_is_dealt_out_evenly_and_can_be_claimed(database_url, load):
    db = Database(database_url)
    filled = fill(db, load)

    with db.read() as session:
        totals = dict(session.execute(select(batches.c.id, batches.c.total)).all())
        counted = dict(session.execute(select(rows.c.batch_id, func.count()).group_by(rows.c.batch_id)).all())
        assert sorted(workers.due_lanes(session)) == [lane_of(number) for number in range(load.lanes)]
    with db.begin() as session:
        claims = [jobs.claim(session, lane_of(lane), 100, filled.workers[0]) for lane in range(load.lanes)]

    assert totals == counted
    assert sorted(totals) == [batch_id_of(number) for number in range(load.batches)]
    assert max(totals.values()) - min(totals.values()) <= 1
    assert sum(map(len, claims)) == load.jobs
    db.close()


def costs(setting, **seconds):
    return Costs(setting, {action: [seconds[action]] * 3 for action in ACTIONS})


def test_each_load_has_its_own_promise_and_the_dearest_action_decides():
    few = costs(Setting("few", Load(1), 1.0), slice=0.1, poll=0.01, sweep=0.02)
    many = costs(Setting("many", Load(9), 1.3), slice=0.12, poll=0.01, sweep=0.027)
    spread = costs(Setting("spread", Load(9, 3), 2.0), slice=0.19, poll=0.01, sweep=0.02)

    report = backlog.report(Findings(0.0, {"sqlite": [few, many, spread]}))

    assert report.broken == ["sqlite: many, beside few"]
    assert "sweep 1.35" in report.promises[0].measured
    assert report.figures["median_ms"]["sqlite"]["spread"]["slice"]["all"] == pytest.approx(190)


@pytest.mark.benches
@pytest.mark.slow
def test_it_runs():
    report = backlog.measure(Console(quiet=True), jobs=1200, batches=4, lanes=2, rounds=2)

    assert len(report.promises) == 6
    figures = report.figures["median_ms"]
    assert set(figures) == {"sqlite", "postgresql"}
    for kind in figures.values():
        assert [set(actions) for actions in kind.values()] == [set(ACTIONS)] * 4
