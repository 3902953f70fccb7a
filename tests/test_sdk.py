"""The real SDK in three versions, sync and async and strict about answers: `tests/sdk`, once for each.

`make test` installs the old ones beside the environment; the newest is in it.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.commands import environment
from tests.sdk_rig import Rig, rig
from tests.servers import missing

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "tests/sdk"
OLD = ("1.109.1", "2.54.0")
(NEWEST,) = re.findall(r"^openai==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.M)
NOT_YET = {"1.109.1": ("test_organization.py",)}  # it has no `client.admin`
DEADLINE_SECONDS = 600.0


@pytest.fixture(scope="module")
def headrace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("sdk")) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_SECONDS + 60)
@pytest.mark.parametrize("version", [*OLD, NEWEST])
def test_the_sdk_finds_its_api_here(headrace, version, tmp_path):
    report = tmp_path / "report.xml"

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *_options(report), str(SUITE)],
        cwd=ROOT,
        env=_environment(version, headrace),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    if ran.returncode != 0:
        pytest.fail(f"with openai {version}:\n{ran.stdout}", pytrace=False)
    (suite,) = ElementTree.parse(report).getroot()
    ended = {how: int(suite.attrib[how]) for how in ("tests", "failures", "errors", "skipped")}
    assert ended == {"tests": ended["tests"], "failures": 0, "errors": 0, "skipped": 0}
    assert ended["tests"] >= 2 * _written(version)  # each of them sync and async, some with several cases
    assert {each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")} == {
        "openai": version
    }


def test_the_newest_of_the_three_is_newer_than_the_old_ones():
    lines = [int(version.partition(".")[0]) for version in (*OLD, NEWEST)]

    assert lines == [1, 2, 3]


def _options(report: Path) -> list[str]:
    """Nothing of our own fixtures, and no plugin but the one that the configuration speaks of."""
    plugins = ["-p", "pytest_timeout", "-p", "no:cacheprovider"]
    return [*plugins, f"--confcutdir={SUITE}", f"--junitxml={report}", "--quiet", "--tb=short"]


def _environment(version: str, headrace: Rig) -> dict[str, str]:
    ours = {name: value for name, value in environment().items() if not name.startswith("PYTEST_")}
    return ours | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": "" if version == NEWEST else str(_installed(version)),
        "SDK_TEST_URL": headrace.url,
        "SDK_TEST_KEY": headrace.new_key(),
        "SDK_TEST_SHELF_KEY": headrace.shelf_key,
        "SDK_TEST_ADMIN_KEY": headrace.admin_key,
    }


def _installed(version: str) -> Path:
    """Where the Makefile puts an old version, with all that it needs."""
    folder = Path(sys.prefix) / "sdk" / version
    if not (folder / ".installed").exists():
        missing(f"openai {version}, which `make test` installs,")
    return folder


def _written(version: str) -> int:
    paths = [path for path in SUITE.glob("test_*.py") if path.name not in NOT_YET.get(version, ())]
    trees = [ast.parse(path.read_text()) for path in paths]
    names = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return sum(name.startswith("test_") for name in names)
