import os
import shutil
import subprocess
import sys
from collections import Counter

import orjson
import pytest
import requests
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from bench import cpu, limits, memory
from bench.__main__ import app, finish
from bench.inputs import bodies, custom_ids, write_input
from bench.large_file import write_padded
from bench.memory import MemoryMeter, resident_bytes
from bench.witness import Call, admitted, read_calls, rolling_maximum, used_share
from headrace.settings import MEBIBYTE
from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.bench_run import figures_of
from tests.simulated import eventually

# Says when it begins, spends half a second of CPU time, says so, and waits to be told to end.
BURN = """
import time
print(flush=True)
while time.process_time() < 0.5:
    pass
print(flush=True)
input()
"""


def at_a_pace(calls: int, every_seconds: float) -> list[float]:
    return [1_000_000 + number * every_seconds for number in range(calls)]


def test_ten_calls_a_second_use_all_of_600_a_minute():
    assert used_share(at_a_pace(900, 0.1), [1] * 900, 600) == pytest.approx(1)


def test_a_pause_in_the_middle_costs_its_share():
    arrivals = at_a_pace(500, 0.1)
    arrivals += [arrivals[-1] + 10 + number * 0.1 for number in range(500)]

    assert used_share(arrivals, [1] * 1000, 600) == pytest.approx(0.91, abs=0.005)


def test_a_straggler_in_the_drain_tail_costs_nothing():
    arrivals = at_a_pace(900, 0.1)
    arrivals[-1] += 30

    assert used_share(arrivals, [1] * 900, 600) == pytest.approx(1)


def test_tokens_are_shared_out_like_calls():
    assert used_share(at_a_pace(300, 0.1), [40, 80, 60] * 100, 60_000) == pytest.approx(0.6, abs=0.002)


def test_one_call_is_no_span():
    with pytest.raises(ValueError, match="two calls"):
        used_share([1.0], [1], 600)


def test_calls_that_are_60_s_apart_share_no_minute():
    assert rolling_maximum([0.0, 59.9, 60.0, 119.8], [5, 7, 1, 1]) == 12


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 100)), min_size=1, max_size=30))
def test_the_rolling_maximum_is_that_of_every_window_looked_at(calls):
    calls.sort()
    arrivals, units = zip(*calls, strict=True)
    windows = [sum(held for at, held in calls if start <= at < start + 60) for start in arrivals]

    assert rolling_maximum([float(at) for at in arrivals], units) == max(windows)


def test_the_simulators_log_tells_admitted_calls_from_refused_ones(tmp_path):
    log, source = tmp_path / "log.jsonl", tmp_path / "input.jsonl"
    write_input(source, 3)
    with SimulatorProcess(SimulatorConfig(rpm=2, latency_ms=0, log=log)) as simulator:
        url = f"{simulator.base_url}/chat/completions"
        answers = [requests.post(url, data=body, timeout=10) for body in bodies(source)]

    calls = read_calls(log)

    assert [call.refused for call in calls] == [False, False, True]
    assert [call.tokens for call in admitted(calls)] == [
        answer.json()["usage"]["total_tokens"] for answer in answers[:2]
    ]
    assert calls == sorted(calls)


def test_the_input_is_the_same_on_every_run_and_nearly_meets_both_limits(tmp_path):
    for name in ("one", "other"):
        write_input(tmp_path / name, 100)

    lines = [orjson.loads(line) for line in (tmp_path / "one").read_bytes().splitlines()]

    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert [line["custom_id"] for line in lines] == list(custom_ids(100))
    assert len({len(line["body"]["messages"][0]["content"]) for line in lines}) > 3


def test_the_cpu_time_of_another_process_is_seen():
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        meter = cpu.CpuMeter({"child": child.pid})
        child.stdout.readline()
        spent = meter.spent()
        child.communicate(b"\n", timeout=10)

    assert 0.3 < spent["child"] < 0.7


def test_the_cpu_time_of_a_process_that_is_gone_is_not_zero_but_an_error():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        meter = cpu.CpuMeter({"child": child.pid})
        child.communicate(b"\n", timeout=10)

    with pytest.raises(RuntimeError, match="ended"):
        meter.spent()


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is missing")
def test_ps_agrees_where_there_is_no_proc(monkeypatch, tmp_path):
    known = cpu.cpu_seconds(os.getpid())
    monkeypatch.setattr(cpu, "PROC", tmp_path)

    assert cpu.cpu_seconds(os.getpid()) == pytest.approx(known, abs=1.5)


@pytest.mark.parametrize(
    ("shown", "seconds"), [("0:00.05", 0.05), ("61:02", 3662), ("02:03:04", 7384), ("1-00:00:01", 86_401)]
)
def test_the_times_of_ps_are_read(shown, seconds):
    assert cpu.parse_cpu_time(shown) == pytest.approx(seconds)


def test_a_good_run_keeps_every_promise_of_the_limits():
    calls = [Call(at, 90, False) for at in at_a_pace(900, 60 / 580)]

    found = limits.findings(["a", "b"], Counter(a=1, b=1), calls)

    assert limits.report(found).broken == []
    assert found.binding.name == "RPM"
    assert found.requests.fullest_minute == 580


def test_each_broken_promise_of_the_limits_is_named():
    calls = [Call(at, 150, False) for at in at_a_pace(601, 0.0999)] + [Call(1_000_060, 10, True)]

    found = limits.findings(["a", "b", "c"], Counter(a=2, b=1), calls)

    assert limits.report(found).broken == [
        "jobs lost",
        "custom ids that came back more than once",
        "calls that met a 429",
        "both limits kept in any 60 s",
    ]
    assert found.binding.name == "TPM"


def test_an_allowance_left_unused_breaks_its_promise():
    calls = [Call(at, 90, False) for at in at_a_pace(900, 60 / 560)]

    found = limits.findings(["a"], Counter(a=1), calls)

    assert limits.report(found).broken == ["used share of the binding limit"]


def test_a_broken_promise_ends_with_exit_code_1_and_the_figures_are_kept_all_the_same(tmp_path):
    calls = [Call(at, 90, False) for at in at_a_pace(900, 60 / 580)]
    kept, broken = (
        limits.report(limits.findings(asked, Counter(a=1), calls)) for asked in (["a"], ["a", "b"])
    )

    finish(Console(quiet=True), None, kept)
    with pytest.raises(typer.Exit) as ended:
        finish(Console(quiet=True), tmp_path / "figures.json", kept, broken)

    assert ended.value.exit_code == 1
    figures = orjson.loads((tmp_path / "figures.json").read_bytes())
    assert figures["programs"]["limits"]["broken"] == ["jobs lost"]


def test_help_lists_every_program():
    shown = CliRunner().invoke(app, ["--help"])

    assert "limits" in shown.output
    assert "throughput" in shown.output
    assert "large-file" in shown.output


def test_a_padded_input_has_exactly_the_bytes_that_were_asked_for(tmp_path):
    write_padded(tmp_path / "input.jsonl", 77, 33_333)

    written = (tmp_path / "input.jsonl").read_bytes()
    lines = [orjson.loads(line) for line in written.splitlines()]
    assert len(written) == 33_333
    assert [line["custom_id"] for line in lines] == list(custom_ids(77))
    assert max(map(len, written.splitlines())) - min(map(len, written.splitlines())) <= 1


def test_the_most_memory_that_a_process_had_is_seen():
    before, meter = resident_bytes(os.getpid()), MemoryMeter({"this": os.getpid()})

    with meter.watching():
        filled = bytearray(b"x" * (64 * MEBIBYTE))
        eventually(lambda: meter.most_bytes["this"] > before + 48 * MEBIBYTE, 10)
        del filled

    assert meter.most_bytes["this"] > before + 48 * MEBIBYTE


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is missing")
def test_ps_agrees_on_memory_where_there_is_no_proc(monkeypatch, tmp_path):
    known = resident_bytes(os.getpid())
    monkeypatch.setattr(memory, "PROC", tmp_path)

    assert resident_bytes(os.getpid()) == pytest.approx(known, rel=0.2)


@pytest.mark.benches
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("program", "jobs"), [("limits", 20), ("large-file", 60)])
def test_a_program_runs_whatever_the_environment_says(program, jobs, tmp_path):
    (tmp_path / "headrace.toml").write_text('[providers.paid]\nbase_url = "http://127.0.0.1:1/v1"\n')

    figures = figures_of(program, tmp_path, f"--jobs={jobs}")

    assert (figures["jobs"], figures["broken"]) == (jobs, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "headrace.toml"]
