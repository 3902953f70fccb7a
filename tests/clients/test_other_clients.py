"""Clients that are not the SDK for Python, against a whole stack: what they understand of what we say.

`make clients` installs them, with the versions and hashes that lie here, and runs this.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from headrace.embedded import Stack
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.batch_input import line
from tests.servers import missing
from tests.simulated import eventually

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INSTALLED = ROOT / ".venv/clients"
PINNED = json.loads((HERE / "package.json").read_text())
GUIDE = (ROOT / "docs/how-to/clients.md").read_text()
KEY = "sk-the-providers-key"
MODEL = "org/large"
GOOD, REFUSED = ["a", "b", "水"], "refused"
DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with one worker, ready, that knows its provider's models."""
    provider = SimulatorConfig(latency_ms=150, key=KEY, models=(MODEL,))
    with SimulatorProcess(provider) as simulator:
        folder = tmp_path_factory.mktemp("stack")
        given = Settings(data_dir=folder, provider_url=simulator.base_url, provider_key=SecretStr(KEY))
        with Stack(given, workers=1) as running:
            running.wait_ready()
            eventually(lambda: simulator.stats()["model_lists"], 30)
            yield running


@pytest.fixture
def run(stack: Stack, tmp_path: Path) -> Any:
    """Runs a program in a new folder with three inputs, where to go in its environment: what it says."""
    written(tmp_path / "requests.jsonl", *map(chat, GOOD), chat(REFUSED, "[[sim:400]]"))
    written(tmp_path / "slow.jsonl", *(chat(f"slow-{n}", "[[sim:slow]]") for n in range(30)))
    written(tmp_path / "bad.jsonl", chat("a"), b"no JSON", chat("a"))

    def run(*command: object) -> str:
        where = {"OPENAI_BASE_URL": f"{stack.base_url}/v1", "OPENAI_API_KEY": stack.api_key}
        ran = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=os.environ | where | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run


@pytest.fixture
def litellm() -> Path:
    """The interpreter that has LiteLLM."""
    interpreter = INSTALLED / "litellm/bin/python"
    return interpreter if interpreter.exists() else missing("LiteLLM (make clients)")


@pytest.fixture
def node(tmp_path: Path) -> str:
    """Node, in whose reach there is the pinned `openai` package, of which nothing has run before."""
    program = shutil.which("node")
    packages = INSTALLED / "node/node_modules"
    if program is None or not packages.exists():
        missing("Node with its openai package (make clients)")
    installed = json.loads((packages / ".package-lock.json").read_text())["packages"]
    assert {name: entry["integrity"] for name, entry in installed.items()} == {
        f"node_modules/{name}": digest for name, digest in PINNED["integrity"].items()
    }
    (tmp_path / "node_modules").symlink_to(packages)
    return program


def chat(custom_id: str, text: str = "Why does the wheel turn?") -> Any:
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}], "temperature": 0}
    return line(custom_id, body=body)


def written(path: Path, *lines: Any) -> None:
    path.write_bytes(
        b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
    )


def test_litellm_runs_a_batch(run, litellm):
    told = json.loads(
        run(litellm, HERE / "litellm_client.py", "requests.jsonl", "slow.jsonl", "bad.jsonl").splitlines()[-1]
    )

    assert_understood(told, "litellm")
    later = told["async"]
    assert (later["batch"]["status"], later["cancelled"], later["deleted"]) == ("completed", 409, True)
    assert later["output"][0].keys() == told["output"][0].keys()
    assert later["listed"] == [later["batch"]["id"], *told["listed"]]
    assert {later["file"]["id"], later["batch"]["output_file_id"]} <= set(later["files"])


def test_the_sdk_for_node_runs_a_batch(run, node, tmp_path):
    shutil.copy(HERE / "node_client.mjs", tmp_path)

    told = json.loads(run(node, "node_client.mjs", "requests.jsonl", "slow.jsonl", "bad.jsonl"))

    assert_understood(told, "node")
    assert told["model"]["id"] == MODEL
    assert all(request_id.startswith("req_") for *_, request_id in told["refusals"].values())


def assert_understood(told, client):
    batch = told["batch"]
    assert (batch["status"], batch["metadata"]) == ("completed", {"client": client})
    assert batch["request_counts"] == {"total": 4, "completed": 3, "failed": 1}
    assert batch["usage"]["total_tokens"] > 0
    assert {one["custom_id"] for one in told["output"]} == set(GOOD)
    assert all(one["response"]["body"]["choices"][0]["message"]["content"] for one in told["output"])
    (refused,) = told["errors"]
    assert (refused["custom_id"], refused["response"]["status_code"], refused["error"]) == (
        REFUSED,
        400,
        None,
    )
    assert [(fault["line"], fault["code"]) for fault in told["invalid"]["errors"]["data"]] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
    ]
    assert (told["invalid"]["status"], told["cancelled"]["status"]) == ("failed", "cancelled")
    assert told["listed"][:3] == [told["invalid"]["id"], told["cancelled"]["id"], batch["id"]]
    assert {batch["input_file_id"], batch["output_file_id"], batch["error_file_id"]} <= set(told["files"])
    assert (told["file"]["id"], told["file"]["status"]) == (batch["input_file_id"], "processed")
    assert told["deleted"] is True
    assert [refusal[0] for refusal in told["refusals"].values()] == [404, 404, 409, 401]


def snippet(title: str) -> str:
    """The program of one section of the guide."""
    section = GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    (program,) = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    return program


@pytest.mark.parametrize("title", ["Python", "Node", "LiteLLM", "curl"])
def test_the_guide_shows_programs_that_work(run, request, tmp_path, title):
    programs = {"Python": "guide.py", "LiteLLM": "guide.py", "Node": "guide.mjs", "curl": "guide.sh"}
    (tmp_path / programs[title]).write_text(snippet(title))

    said = run(interpreter_of(title, request), programs[title])

    answered = {json.loads(one)["custom_id"] for one in said.splitlines() if one.startswith("{")}
    assert answered == set(GOOD)


def interpreter_of(title: str, request: pytest.FixtureRequest) -> object:
    if title in ("LiteLLM", "Node"):
        return request.getfixturevalue(title.lower())
    return {"Python": ROOT / ".venv/bin/python", "curl": shutil.which("sh")}[title]
