"""`docs/reliability.md` names every fault, tests that exist, and the failpoints of the code."""

import re

import pytest

from tests.named_tests import ROOT, is_there, named_tests

PAGE = (ROOT / "docs/reliability.md").read_text()
ROWS = re.findall(r"^\| (\d+) \| .+ \| (.+) \| (.+) \| .+ \|$", PAGE, re.M)
NAMED = {each for _, tests, _ in ROWS for each in named_tests(tests)}
LONG = re.compile(r"mark\.faults|@each_database_in_faults|@postgresql_in_ci")
RUNS = {"CI", "`make faults`", "CI, `make faults`", "-"}


def test_each_of_the_35_faults_has_a_row():
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 36))


def test_a_row_names_its_tests_or_says_why_it_has_none():
    for number, tests, runs in ROWS:
        assert runs in RUNS, number
        assert ("`tests/" in tests) == (runs != "-"), number


@pytest.mark.parametrize(("path", "name"), sorted(NAMED))
def test_every_test_that_is_named_is_there(path, name):
    assert is_there(path, name)


def test_every_file_of_faults_is_in_the_row_that_it_says():
    for file in sorted((ROOT / "tests/faults").glob("test_*.py")):
        number = re.match(r"test_row_(\d\d)_", file.name)
        told = [row for row, tests, _ in ROWS if f"`tests/faults/{file.name}" in tests]

        assert told, f"{file.name} is in no row"
        assert number is None or str(int(number[1])) in told


def test_a_row_with_long_tests_is_run_by_make_faults():
    for number, tests, runs in ROWS:
        files = {path for path, _ in named_tests(tests)}
        is_long = any(LONG.search((ROOT / path).read_text()) for path in files)

        assert is_long == ("make faults" in runs), number


def test_the_failpoints_are_those_of_the_code():
    sources = [path for part in ("api", "headrace", "worker") for path in (ROOT / part).rglob("*.py")]
    passed = {
        name for path in sources for name in re.findall(r'\bfailpoint\(\s*"([a-z-]+)"', path.read_text())
    }

    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.M)) == passed
