"""The simulator as a process: its log, its command line, and its end."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import requests
import typer

from headrace.cli.simulate import simulate
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.simulator.process import arguments
from tests.simulated import FAST, ask, eventually

ROOT = Path(__file__).parent.parent
CUSTOM = {"x-client-request-id": "att_1"}


def lines_of(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("fsync", [False, True])
def test_the_log_tells_of_every_request_and_what_it_cost(tmp_path, fsync):
    log = tmp_path / "witness.jsonl"
    with SimulatorProcess(SimulatorConfig(**FAST, log=log, fsync=fsync)) as simulator:
        usage = ask(simulator, "fine", headers=CUSTOM).json()["usage"]
        for fault in ("500", "html", "429"):
            ask(simulator, f"[[sim:{fault}]]")
        for fault in ("cut", "reset", "hang"):
            with pytest.raises(requests.exceptions.RequestException):
                ask(simulator, f"[[sim:{fault}]]", timeout=0.2)
        ask(simulator, path="nowhere")
        eventually(lambda: len(lines_of(log)) == 16)
        lines = lines_of(log)
        stats = simulator.stats()

    received = [line for line in lines if line["event"] == "received"]
    ended = {line["seq"]: line for line in lines if line["event"] == "ended"}
    assert [line["client_request_id"] for line in received[:2]] == ["att_1", None]
    assert (received[0]["model"], received[0]["path"]) == ("m", "/v1/chat/completions")
    assert received[0]["usage"]["total_tokens"] == usage["total_tokens"]
    assert received[7]["usage"] is None
    assert [(ended[line["seq"]]["status"], ended[line["seq"]]["fault"]) for line in received] == [
        (200, None),
        (500, "500"),
        (200, "html"),
        (429, "429"),
        (200, "cut"),
        (None, "reset"),
        (None, "hang"),
        (404, None),
    ]
    billed = [ended[line["seq"]]["usage"] for line in received]
    assert [bill is not None for bill in billed] == [True, False, True, False, True, False, True, False]
    assert sum(bill["total_tokens"] for bill in billed if bill) == stats["billed"]["total_tokens"]


def test_an_fsynced_line_is_there_before_the_answer(tmp_path):
    log = tmp_path / "witness.jsonl"
    with SimulatorProcess(SimulatorConfig(**FAST, log=log, fsync=True)) as simulator:
        for count in range(1, 20):
            ask(simulator)
            assert len(lines_of(log)) == 2 * count


def test_sigterm_ends_it_well_and_flushes_the_log(tmp_path):
    log = tmp_path / "witness.jsonl"
    with SimulatorProcess(SimulatorConfig(latency_ms=0, log=log)) as simulator:
        ask(simulator)
        os.kill(simulator.pid, signal.SIGTERM)
        assert simulator.wait(5) == 0

    assert [line["event"] for line in lines_of(log)] == ["received", "ended"]


def test_it_does_not_outlive_its_parent():
    program = (
        "import os, sys; from headrace.simulator import SimulatorProcess\n"
        "child = SimulatorProcess(); child.start(); print(child.base_url, flush=True); os._exit(0)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=20
    )

    def gone():
        try:
            return not requests.get(f"{ran.stdout.strip()}/models", timeout=1)
        except requests.exceptions.ConnectionError:
            return True

    assert eventually(gone)


def test_a_port_in_use_is_an_error_of_one_line():
    with SimulatorProcess() as first:
        port = first.base_url.split(":")[2].removesuffix("/v1")
        second = subprocess.run(
            [sys.executable, "-m", "headrace.simulator", "--port", port],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    assert second.returncode == 2
    assert "cannot serve on" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_child_that_does_not_start_is_reported(tmp_path, capfd):
    with pytest.raises(RuntimeError, match="did not start"):
        SimulatorProcess(SimulatorConfig(log=tmp_path / "missing" / "log")).start()
    assert "No such file" in capfd.readouterr().err


def test_the_command_line_can_say_all_that_the_configuration_can():
    config = SimulatorConfig(
        **FAST | {"latency_ms": 1.5},
        rpm=1,
        tpm=2,
        max_in_flight=3,
        window="bucket",
        burst_seconds=2.0,
        charge="reserve",
        count_refused=True,
        latency_spread=0.5,
        completion_tokens=4,
        count="o200k",
        cache_writes=True,
        audio=True,
        prices=(("a", "1,0.5,2"), ("b/c", "0.15,0.075,0.6,request=0.01")),
        faults=(("500", 0.25), ("429:-1", 0.5)),
        seed=-5,
        max_body_bytes=6,
        key="k",
        models=("a", "b/c"),
        models_fault="404",
        log=Path("l"),
        fsync=True,
    )
    assert all(getattr(config, option.name) != option.default for option in fields(config))

    app = typer.Typer()
    app.command()(simulate)
    said = typer.main.get_command(app).make_context("simulate", arguments(config)).params

    assert said.pop("fault") == ["500=0.25", "429:-1=0.5"]
    assert said.pop("model") == ["a", "b/c"]
    assert said.pop("price") == ["a=1,0.5,2", "b/c=0.15,0.075,0.6,request=0.01"]
    plain = [option.name for option in fields(config) if option.name not in ("faults", "models", "prices")]
    assert {name: said[name] for name in plain} == {name: getattr(config, name) for name in plain}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rpm": 0},
        {"window": "moving"},
        {"faults": (("tea", 0.1),)},
        {"faults": (("500", 0.9), ("cut", 0.2))},
        {"models_fault": "nan"},
        {"models_fault": "paid-400"},
        {"count": "words"},
        {"prices": (("m", "1,2"),)},
    ],
)
def test_a_nonsensical_configuration_is_refused(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        SimulatorConfig(**wrong)
