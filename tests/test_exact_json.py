"""JSON that goes through our hands unchanged."""

import json
import sys

import orjson
import pytest
from hypothesis import example, given

from headrace.exact_json import NotJson, Number, dumps, has_half_characters, loads, loads_rounded
from tests.any_json import ANY_JSON, PATIENTLY
from tests.exactly import DOCUMENTS, NUMBERS, ODD_NUMBERS, exactly

HALF = r'{"\udead": "cut \ud83d", "n": 1.50, "big": 123456789012345678901, "whole": "\ud83d\ude00 é"}'


@PATIENTLY
@given(DOCUMENTS)
@example(HALF)
def test_any_document_is_written_as_it_was_read(document):
    assert exactly(dumps(loads(document))) == exactly(document)
    assert dumps(loads(document.encode())) == dumps(loads(document))


@PATIENTLY
@given(NUMBERS)
def test_a_number_keeps_its_text(number):
    assert dumps(loads(number)) == number
    assert dumps(loads(f'{{"a": [{number}, {number}]}}')) == f'{{"a":[{number},{number}]}}'


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda text: text[:30])
def test_an_odd_number_keeps_its_text_beside_half_a_character(number):
    assert dumps(loads(rf'["\ud83d",{number}]')) == rf'["\ud83d",{number}]'


HALF_ELEMENT = r'"\ud83d"'
BESIDE = {
    "integers": "1",
    "fractions": "1.5",
    "texts": '"a"',
    "objects": '{"a":1}',
    "large integers": "9" * 19,
}


@pytest.mark.parametrize("element", BESIDE.values(), ids=BESIDE)
def test_what_stands_beside_half_a_character_makes_few_calls_each(element):
    count = 2000
    value = loads(f"[{','.join([HALF_ELEMENT, *[element] * count])}]")
    calls = []

    sys.setprofile(lambda _frame, event, _what: calls.append(event) if "call" in event else None)
    try:
        dumps(value)
    finally:
        sys.setprofile(None)

    assert len(calls) < (18 if "{" in element else 8) * count


@pytest.mark.parametrize("nested", ["[%s]", '{"a":%s}'])
@pytest.mark.parametrize("depth", [199, 200, 201, 270])
def test_what_is_nested_deeper_than_orjson_writes_is_written(nested, depth):
    document = rf'["\ud83d",{"9" * 30},1.50]'
    for _ in range(depth):
        document = nested.replace("%s", document)

    assert dumps(loads(document)) == document


@pytest.mark.parametrize("number", [-(2**63) - 1, -(2**63), 2**64 - 1, 2**64, 10**400])
def test_integers_at_the_edges_of_64_bits_are_written(number):
    assert dumps(["\ud83d", number]) == rf'["\ud83d",{number}]'


@PATIENTLY
@given(DOCUMENTS)
def test_what_is_written_is_on_one_line_and_can_be_encoded(document):
    assert b"\n" not in dumps(loads(document)).encode()


def test_half_a_character_stays_an_escape_and_a_whole_one_becomes_itself():
    assert dumps(loads(r'"\ud83d \uDE00 \ud83d\ude00 \\ud83d"')) == r'"\ud83d \ude00 😀 \\ud83d"'


def test_of_a_name_that_is_twice_the_last_value_counts():
    assert dumps(loads('{"a": 1, "b": 2, "\\u0061": 3}')) == '{"a":3,"b":2}'


def test_numbers_can_be_reckoned_with():
    number = loads("1.50")

    assert isinstance(number, Number)
    assert (number, number * 2, number.text) == (1.5, 3.0, "1.50")
    assert loads("1e400") == float("inf")
    assert isinstance(loads("42"), int)
    assert loads("-0") == 0


@pytest.mark.parametrize("sort_keys", [False, True])
def test_names_can_be_sorted(sort_keys):
    order = sorted if sort_keys else list

    for text in ('{"b": 1, "a": {"d": 1.0, "c": 2}}', r'{"b": "\ud83d", "a": {"d": 1.0, "c": 2}}'):
        written = json.loads(dumps(loads(text), sort_keys=sort_keys))
        assert list(written) == order(["b", "a"])
        assert list(written["a"]) == order(["d", "c"])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("NaN", "NaN is no JSON"),
        ('{"a": -Infinity}', "-Infinity is no JSON"),
        ("[" * 100_000, "it is nested too deep"),
        (f"[{'9' * 5000}, NaN]", "NaN is no JSON"),
    ],
)
@pytest.mark.parametrize("read", [loads, loads_rounded])
def test_what_only_some_call_json_is_refused_with_a_reason(read, document, reason):
    with pytest.raises(NotJson, match=reason):
        read(document)


@pytest.mark.parametrize(
    "document",
    [b"", b"\xff", b"\xef\xbb\xbf{}", b"{} {}", b"{'a': 1}", b"[1,]", b"01", b'"\x01"', b"\0", b"1."],
)
@pytest.mark.parametrize("read", [loads, loads_rounded])
def test_what_is_no_json_is_a_value_error(read, document):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        read(document)


@PATIENTLY
@given(ANY_JSON)
def test_what_orjson_writes_is_written_the_same_by_us(value):
    written = orjson.dumps(value).decode()

    assert dumps(loads(written)) == written
    assert loads_rounded(written) == loads(written)


def test_a_rounded_reading_reads_what_orjson_does_not():
    assert loads_rounded(HALF)["n"] == 1.5
    assert loads_rounded("[1e400]") == [float("inf")]


@pytest.mark.parametrize(
    ("text", "has"), [("a😀\u2028", False), ("a\ud83d", True), ("\udead", True), ("", False)]
)
def test_half_characters_are_found(text, has):
    assert has_half_characters(text) is has


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}}, ["\ud83d", object()]])
def test_what_is_no_json_is_not_written(value):
    with pytest.raises(TypeError):
        dumps(value)
