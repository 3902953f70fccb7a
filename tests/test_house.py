"""The house itself: its lock files, its Makefile, its wheel, the size of its parts."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import headrace

ROOT = Path(__file__).parent.parent
PACKAGES = ("headrace", "worker", "api", "bench", "tests")
MIGRATIONS = ROOT / "headrace/migrations/versions"  # history: written once, one table after another
SOURCES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.parent != MIGRATIONS
)

REQUIREMENT = re.compile(r"(?P<pin>[a-z0-9-]+(\[[a-z,]+\])?==[\w.]+)( ; [^/]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?P<more> \\)?")


def pins(lock_file: str) -> set[str]:
    """The pins of a lock file in which each stands with its hashes, and nothing else stands."""
    found = set()
    lines = iter((ROOT / lock_file).read_text().splitlines())
    for line in lines:
        requirement = REQUIREMENT.fullmatch(line)
        assert requirement, f"{lock_file}: not a pin: {line!r}"
        found.add(requirement["pin"])
        more = True
        while more:
            hashed = HASH.fullmatch(next(lines, ""))
            assert hashed, f"{lock_file}: {requirement['pin']} needs hashes and nothing else"
            more = hashed["more"] is not None
    return found


def test_the_lock_files_hold_pins_and_hashes_and_the_larger_contains_the_smaller():
    runtime = pins("requirements.txt")

    assert {pin.partition("==")[0] for pin in runtime} > {
        "celery",
        "redis",
        "requests",
        "sqlmodel",
        "tenacity",
    }
    assert runtime < pins("requirements-dev.txt")


@pytest.mark.parametrize("version", ["1.109.1", "2.54.0"])
def test_the_old_sdks_are_pinned_with_hashes(version):
    assert f"openai=={version}" in pins(f"tests/sdk/openai-{version}.txt")


def test_the_other_clients_are_pinned_with_hashes():
    assert any(pin.startswith("litellm==") for pin in pins("tests/clients/litellm.txt"))
    node = json.loads((ROOT / "tests/clients/package.json").read_text())
    assert node["dependencies"].keys() == node["integrity"].keys() == {"openai"}
    assert re.fullmatch(r"sha512-[\w+/]{86}==", node["integrity"]["openai"])


@pytest.mark.parametrize(("peer", "package"), [("curator", "bespokelabs-curator"), ("litellm", "litellm")])
def test_the_peers_of_the_bench_are_pinned_with_hashes(peer, package):
    assert any(pin.startswith(f"{package}==") for pin in pins(f"bench/peers/{peer}.txt"))


def test_what_is_installed_is_what_is_locked():
    locked = dict(pin.split("==") for pin in pins("requirements-dev.txt"))

    for name in ("celery", "redis", "requests", "sqlmodel", "tenacity", "pytest"):
        assert importlib.metadata.version(name) == locked[name]


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["version"] == headrace.__version__ == importlib.metadata.version("headrace")


def test_make_help_has_a_line_for_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets

    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)

    assert re.findall(r"^  make (\w+) +\S", shown.stdout, re.MULTILINE) == targets[1].split()


def test_an_old_python_is_refused_with_a_reason(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo Python 3.10.1 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)

    made = subprocess.run(
        ["make", "setup", f"PYTHON={old}"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert made.returncode != 0
    assert "needs Python 3.11 or newer" in made.stderr
    assert "Python 3.10.1" in made.stderr


def test_the_wheel_holds_headrace_with_its_data_and_nothing_else(tmp_path):
    copy = tmp_path / "checkout"
    for package in ("headrace", "worker", "api"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)

    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            tmp_path,
            copy,
        ],
        check=True,
        capture_output=True,
        timeout=100,
    )

    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {str(path.relative_to(copy)) for path in (copy / "headrace").rglob("*") if path.is_file()}
    assert held == ours


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    source = path.read_text()

    assert len(source.splitlines()) <= 300
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = len((ast.get_source_segment(source, node) or "").splitlines())
            assert length <= 40, f"{node.name} has {length} lines"


def test_ci_runs_the_checks_and_the_tests_and_fails_when_they_do(tmp_path):
    script = tmp_path / ".ci/run"
    script.parent.mkdir()
    shutil.copy(ROOT / ".ci/run", script)
    (tmp_path / "Makefile").write_text("check:\n\t@echo checked CI=$$CI\ntest:\n\t@echo tested; exit 5\n")

    ran = subprocess.run(
        ["bash", ".ci/run"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ran.stdout.splitlines() == ["checked CI=true", "tested"]
    assert ran.returncode != 0
