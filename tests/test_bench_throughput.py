import subprocess
import sys

import orjson
import psycopg
import pytest
from rich.console import Console

from bench import scale
from bench.baseline import loops
from bench.contest import Findings
from bench.course import ONE_WORKER, POSTGRESQL, SQLITE
from bench.cpu import CpuMeter
from bench.own_run import OwnRun
from bench.pace import Pace
from bench.postgres import running_postgres
from bench.rivals import RIVALS
from bench.throughput_report import report
from tests.bench_run import figures_of
from tests.servers import for_psycopg

JOBS = 10_000
SDK = RIVALS[0]
# A child that ends, and one that goes on until standard input ends; each spends 0.3 s of CPU time.
FAMILY = """
import sys
from subprocess import PIPE, Popen, run
BURN = "import sys, time\\nwhile time.process_time() < 0.3: pass\\nprint(flush=True)\\n"
print(flush=True)
sys.stdin.readline()
run([sys.executable, "-c", BURN], stdout=PIPE)
child = Popen([sys.executable, "-c", BURN + "sys.stdin.read()"], stdin=PIPE, stdout=PIPE)
child.stdout.readline()
print(flush=True)
sys.stdin.readline()
child.communicate()
"""


def own(per_second: float, cpu_ms: float, succeeded: int = JOBS) -> OwnRun:
    pace = at(per_second, cpu_ms)
    return OwnRun(
        succeeded, pace, pace, {"api": 0.25 * pace.cpu_seconds, "worker-1": 0.75 * pace.cpu_seconds}
    )


def at(per_second: float, cpu_ms: float) -> Pace:
    return Pace(JOBS, JOBS / per_second, JOBS * cpu_ms / 1000)


def good() -> Findings:
    """Three rounds. In the second one everybody had half the machine."""
    return Findings(
        jobs=JOBS,
        load_before=0.1,
        bare=[at(2000, 0.5), at(1000, 1.0), at(2000, 0.5)],
        ours={
            SQLITE.name: [own(1500, 0.7), own(750, 1.4), own(1400, 0.7)],
            POSTGRESQL.name: [own(1400, 0.8), own(700, 1.6), own(1400, 0.8)],
            ONE_WORKER.name: [own(1200, 0.7), own(600, 1.4), own(1150, 0.7)],
        },
        rivals={SDK.name: [at(400, 2.4), at(200, 4.8), at(400, 2.4)]},
        best_in_flight={SDK.name: 200},
        provider_us=[50.0, 100.0, 50.0],
    )


def test_each_ratio_is_to_the_baseline_of_its_own_round():
    found = good()

    figures = report(found).figures

    assert figures["cpu_of_bare"][SQLITE.name] == pytest.approx(1.4)
    assert figures["speed_of_bare"][SQLITE.name] == pytest.approx(0.75)
    assert found.times_as_fast(POSTGRESQL.name, SDK.name) == pytest.approx(3.5)
    assert report(found).broken == []


def test_each_broken_promise_of_throughput_is_named():
    found = good()
    found.ours[SQLITE.name] = [own(1500, 0.76), own(750, 1.52), own(1400, 0.7)]
    found.ours[POSTGRESQL.name] = [own(1100, 0.91), own(590, 1.82), own(1100, 0.91, JOBS - 1)]
    found.ours[ONE_WORKER.name] = [own(1099, 0.7)] * 3

    assert report(found).broken == [
        "jobs that succeeded, in the worst run",
        f"CPU a job: {SQLITE.name}",
        f"CPU a job: {POSTGRESQL.name}",
        f"jobs/s beside {SDK.name}, on the slower database",
        f"jobs/s: {ONE_WORKER.name}",
    ]


def test_a_short_run_and_one_without_us_promise_no_speed():
    short, without = good(), good()
    short.jobs = 100
    without.ours = {}

    assert [promise.what for promise in report(short).promises] == ["jobs that succeeded, in the worst run"]
    assert report(without).broken == []


def test_the_curve_of_scale_has_all_its_steps():
    steps = [scale.Step(setting, own(900, 0.7), setting.shape.in_flight) for setting in scale.SETTINGS]

    found = scale.report(JOBS, 0.1, steps)

    assert found.broken == []
    assert [step["workers"] for step in found.figures["steps"]] == [1, 2, 4, 1]
    assert [setting.ceiling_per_second for setting in scale.SETTINGS] == [1000, 1000, 1000, 500]


def test_a_process_that_holds_too_few_calls_breaks_the_promise_of_scale():
    steps = [scale.Step(setting, own(900, 0.7), 2_999) for setting in scale.SETTINGS]

    assert scale.report(JOBS, 0.1, steps).broken == ["calls open in one process"]


def test_the_cpu_time_of_children_counts_while_they_run_and_after_they_ended():
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        parent.stdout.readline()
        meter = CpuMeter({"family": parent.pid})
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        parent.stdout.readline()
        spent = meter.spent()
        parent.communicate(b"\n", timeout=30)

    assert 0.55 < spent["family"] < 1.2


def test_a_loop_that_fails_is_no_baseline():
    with pytest.raises(RuntimeError, match="failed"):
        loops([[sys.executable, "-c", "raise SystemExit(3)"]], 30)


def test_the_last_line_of_a_loop_counts():
    said = orjson.dumps({"calls": 3, "began": 1.0, "ended": 2.0, "cpu_seconds": 0.5}).decode()

    paces = loops([[sys.executable, "-c", f"print('hello'); print({said!r})"]] * 2, 30)

    assert paces == Pace(6, 1.0, 1.0)


def test_the_postgresql_of_the_bench_is_empty_and_durable(tmp_path):
    with (
        running_postgres(tmp_path) as url,
        psycopg.connect(for_psycopg(url)) as connection,
    ):
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        settings = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "full_page_writes", "synchronous_commit")
        ]

    assert tables == (0,)
    assert settings == [("on",)] * 3


def test_the_postgresql_of_a_bench_that_broke_off_leaves_its_log(tmp_path):
    with pytest.raises(ZeroDivisionError), running_postgres(tmp_path):
        raise ZeroDivisionError

    assert "ready to accept connections" in (tmp_path / "postgres.log").read_text()


@pytest.mark.benches
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_throughput_runs_whatever_the_environment_says(tmp_path):
    chosen = ("--jobs=60", "--rounds=1", "--only=sdk", "--only=sqlite", "--only=postgresql")

    figures = figures_of("throughput", tmp_path, *chosen)

    assert (figures["jobs"], figures["broken"]) == (60, [])
    assert set(figures["per_second"]) == {SQLITE.name, POSTGRESQL.name, SDK.name}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json"]


@pytest.mark.benches
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_scale_runs_with_few_jobs():
    found = scale.measure(Console(quiet=True), jobs=40)

    assert found.broken == []
    assert [step["most_in_flight"] > 0 for step in found.figures["steps"]] == [True] * 4
