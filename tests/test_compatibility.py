"""`docs/compatibility.md` has a test for each thing that it says, and says something of each call."""

import re

import pytest

from tests.named_tests import ROOT, is_there, named_tests

PAGE = (ROOT / "docs/compatibility.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
HEADS = ("| what |", "| call", "| status |")
NOTHING_TO_TEST = " | - |"  # what is not there
CALLS = ("/v1/files", "/v1/uploads", "/v1/batches", "/v1/models")


def test_every_row_names_a_test():
    for row in ROWS:
        assert row.startswith(HEADS) or named_tests(row) or row.endswith(NOTHING_TO_TEST), row


@pytest.mark.parametrize(("path", "name"), sorted(named_tests(PAGE)))
def test_every_test_that_is_named_is_there(path, name):
    assert is_there(path, name)


def test_every_resource_of_the_contract_is_on_the_page():
    told = set(re.findall(r"`(?:GET|POST|DELETE) (/v1/\w+)", PAGE))

    assert set(CALLS) <= told
