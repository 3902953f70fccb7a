"""What a spreadsheet makes of a report: text is never a formula, numbers keep every digit."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.usage_exports import COLUMNS, as_rows
from headrace.cli.usage_report import UsageReport
from headrace.spreadsheet import Cell, as_csv
from headrace.store.postings import Posting
from headrace.store.reports import Row, Value

HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=cmd|"/c calc"!A0', "＝1+1"]


def read(written: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written.decode(), newline=""), strict=True))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_could_be_a_formula_gets_an_apostrophe(text):
    assert read(as_csv([[text, "m"]])) == [["'" + text, "m"]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2))
def test_any_text_comes_back_and_none_begins_like_a_formula(cells):
    (found,) = read(as_csv([cells]))

    assert [cell.removeprefix("'") for cell in found] == [cell.removeprefix("'") for cell in cells]
    assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in found)


def test_lines_end_and_cells_are_quoted_as_rfc_4180_says():
    assert as_csv([["a", "b,c"], ['say "x"', "two\nlines"]]) == b'a,"b,c"\r\n"say ""x""","two\nlines"\r\n'


def test_numbers_are_decimals_with_every_digit_and_are_no_text():
    numbers: list[Cell] = [
        Decimal("-0.000000001"),
        Decimal("1E+3"),
        Decimal("1234567890.123456789"),
        -3,
        None,
    ]

    assert as_csv([numbers]) == b"-0.000000001,1000,1234567890.123456789,-3,\r\n"


def test_models_tags_and_key_names_of_strangers_are_made_safe():
    groups: list[dict[str, Value]] = [
        {"model": text, "api_key_id": "key_1", "tag:x": text} for text in HOSTILE
    ]
    rows = [Row(group, Posting(calls=1, cost_nanos=1)) for group in groups]
    made = UsageReport(0, 1, ("model", "api_key_id", "tag:x"), rows, rows, {"key_1": "=team"})

    header, *found = read(as_csv(as_rows(made)))

    assert header == ["model", "key", "key_name", "tag:x", *COLUMNS]
    assert [row[0] for row in found] == [row[3] for row in found] == ["'" + text for text in HOSTILE]
    assert {row[2] for row in found} == {"'=team"}
    assert {row[header.index("cost_usd")] for row in found} == {"0.000000001"}
