"""Reading a provider's bill: every form that it may have, and every fault at once."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from headrace.periods import DAY
from headrace.provider_bill import BadBill, Charge, Columns, model_of, read_bill, without_date

FIRST = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
HEADER = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,"
    "organization_id"
)


def export(*rows: tuple[object, str, str], header: str = HEADER) -> bytes:
    """An export as OpenAI writes it: start, amount and line item of each row."""
    written = [f'{start},,,,{amount},usd,"{item}",proj_1,org-1' for start, amount, item in rows]
    return "\n".join([header, *written, ""]).encode()


def page(*results: tuple[object, object], start: int = FIRST, has_more: bool = False) -> dict[str, object]:
    """A page of GET /organization/costs with one bucket: amount and line item of each result."""
    listed = [
        {
            "object": "organization.costs.result",
            "amount": {"value": value, "currency": "usd"},
            "line_item": item,
        }
        for value, item in results
    ]
    bucket = {"object": "bucket", "start_time": start, "end_time": start + DAY, "results": listed}
    return {"object": "page", "data": [bucket], "has_more": has_more, "next_page": None}


def faults_of(raw: bytes, columns: Columns = Columns()) -> list[tuple[str, str]]:  # noqa: B008
    with pytest.raises(BadBill) as refused:
        read_bill(raw, columns)
    return list(refused.value.faults)


@pytest.mark.parametrize(
    ("item", "model"),
    [
        ("gpt-4o-mini-2024-07-18, input", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o-mini, cached input", "gpt-4o-mini"),
        ("m, cache writes", "m"),
        ("m, audio output", "m"),
        ("m, requests", "m"),
        ("priority | m, output", "m"),
        ("flex | m, input, long context", "m"),
        ("ft:gpt-4o-mini-2024-07-18:org::id, output", "ft:gpt-4o-mini-2024-07-18:org::id"),
        ("batch | m, input", None),
        ("web search tool calls", None),
        ("web search, tool calls", None),
        ("code interpreter sessions, input", None),
        ("", None),
    ],
)
def test_a_line_item_names_its_model_or_none(item, model):
    assert model_of(item) == model


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("claude-3-5-haiku-20241022", "claude-3-5-haiku"),
        ("claude-3-5-haiku@20241022", "claude-3-5-haiku"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("mixtral-8x7b-32768", "mixtral-8x7b-32768"),
        ("2024-07-18", "2024-07-18"),
    ],
)
def test_a_snapshot_is_one_by_its_date(model, name):
    assert without_date(model) == name


@pytest.mark.parametrize(
    "start",
    [
        FIRST,
        FIRST + 3600,
        f"{FIRST}.0",
        "2026-11-01",
        "20261101",
        "2026-11-01T00:00:00",
        "2026-11-01T00:00:00Z",
        "2026-11-01 23:59:59+00:00",
        "2026-10-31T20:00:00-05:00",
    ],
)
def test_days_are_those_of_utc_in_whatever_form(start):
    bill = read_bill(export((start, "1.5", "m, input")))

    assert bill == ([Charge(FIRST, "m, input", "m", Decimal("1.5"))], FIRST, FIRST + DAY)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0E-6176", "0"), ("1.5e-7", "0.00000015"), ("-0.25", "-0.25"), (" 12 ", "12"), ("1e-400", "0")],
)
def test_amounts_are_decimals_in_any_form(text, amount):
    assert read_bill(export((FIRST, text, "m, input"))).charges[0].amount == Decimal(amount)


def test_columns_are_found_by_their_names_and_there_may_be_others():
    raw = (
        "\ufeffproject_name,Line_Item,quantity,start_time_iso,AMOUNT_VALUE\r\n"
        '"red, blue","m, input",12,2026-11-01T00:00:00+00:00,0.1\r\n\r\n'
    ).encode()

    assert read_bill(raw).charges == [Charge(FIRST, "m, input", "m", Decimal("0.1"))]


def test_other_csvs_are_read_by_the_columns_that_one_names():
    raw = b"When,Model,Cost\n2026-11-01,claude x,0.5\n2026-11-03,m,1\n"

    bill = read_bill(raw, Columns("when", "model", "cost"))

    assert [charge.model for charge in bill.charges] == ["claude x", "m"]
    assert (bill.start, bill.end) == (FIRST, FIRST + 3 * DAY)
    assert [where for where, _ in faults_of(raw)] == ["1", "1"]
    assert "there is no column 'start_time' (there are: when, model, cost)" in faults_of(raw)[0][1]
    assert "--model-column" in faults_of(raw, Columns("when", "models", "cost"))[0][1]


def test_pages_of_json_are_read_one_or_many_and_no_digit_is_lost():
    first = page((0.1, "m, input"), ("2e-9", "m, output"), (3, None), has_more=True)
    second = page(start=FIRST + DAY)
    raw = json.dumps([first, second]).replace("0.1", "0.100000000000001").encode()

    bill = read_bill(raw)

    assert [charge.amount for charge in bill.charges] == [Decimal("0.100000000000001"), Decimal("2e-9"), 3]
    assert [charge.model for charge in bill.charges] == ["m", "m", None]
    assert bill.end == FIRST + 2 * DAY
    assert read_bill(json.dumps(second).encode()) == ([], FIRST + DAY, FIRST + 2 * DAY)


def test_all_faults_are_told_at_once_with_their_lines():
    raw = export(
        (FIRST, "1", "m, input"),
        ("soon", "1", "m, input"),
        (FIRST, "1,5", "m, input"),
        (FIRST, "NaN", "m, input"),
        (FIRST * 1000, "1E+30", "m, input"),
    )
    raw += f"{FIRST},,,,1,EUR,x,p,o\n".encode()

    told = faults_of(raw)

    assert [where for where, _ in told] == ["3", "4", "5", "6", "6", "7"]
    assert told[0][1] == "start_time 'soon' is neither Unix seconds nor an ISO 8601 time"
    assert told[1][1] == "it has 10 cells, and the header has 9"
    assert told[5][1] == "amount_currency 'EUR' is not 'usd': costs are known in USD alone"


@pytest.mark.parametrize(
    ("raw", "where", "what"),
    [
        (b"", "1", "there is no column 'start_time' (there are: none)"),
        (export(), "1", "there is no charge"),
        (HEADER.encode() + b'\n"', "2", "no CSV"),
        (b"a\n\xff", "2", "byte 3 of the file is not UTF-8"),
        (b'{"a":\n}', "2", "no JSON"),
        (b"[" * 100_000, "1", "nested too deep"),
        (b"[]", "1", "there is no charge"),
        (b"[1]", "page 1", "no list 'data'"),
        (b'{"data": [1]}', "page 1, bucket 1", "no object"),
        (b'{"data": [{"start_time": 1, "results": [{}]}]}', "page 1, bucket 1, result 1", "no amount"),
        (json.dumps(page((True, None))).encode(), "page 1, bucket 1, result 1", "amount.value True"),
        (json.dumps(page(has_more=True)).encode(), "page 1", "put all pages into one list"),
    ],
)
def test_what_is_no_bill_is_refused_with_the_place(raw, where, what):
    ((place, told), *_) = faults_of(raw)

    assert place == where
    assert what in told
