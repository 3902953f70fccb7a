"""Bodies cut out of their lines: what a client wrote, and nothing that a reader of the line cannot see."""

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace import line_text
from headrace.exact_json import loads
from headrace.line_text import cut
from tests.any_json import PATIENTLY
from tests.exactly import DOCUMENTS, STRINGS, exactly, member

SPACES = st.sampled_from(["", " ", "\t", " \r"])
NAMES = st.sampled_from(['"body"', '"custom_id"', '"bod\\u0079"', r'"\"body"', r'"a,\"body\":"', '"{"'])
TEXTS = ['"\\\\"', '"a\\\\\\""', r'"{\"body\":1}"', '",\\"body\\":"', '"\\u0022"']
VALUES = st.sampled_from(TEXTS) | STRINGS | DOCUMENTS


def body_of(found):
    return line_text.body_of(found, orjson.dumps(found.fields["body"]))


@st.composite
def objects(draw, values):
    """Few names, so that they come twice."""
    members = draw(st.lists(st.tuples(NAMES, SPACES, values), max_size=4))
    return "{" + ",".join(f"{name}{space}:{space}{value}" for name, space, value in members) + "}"


@PATIENTLY
@given(objects(objects(VALUES) | VALUES), SPACES)
@example('{"x":{"body":{"a":1}}', "")
@example('{"body":{"a":1},"x":{"y":2}}', "")
@example(r'{"a":"{\"body\":","body":{"b":"}"}}', " ")
@example(r'{"body":{"model":"dear","model":"cheap","x":"\\","y":"\\"}}', "")
def test_what_is_cut_out_is_what_a_reader_of_the_line_finds(line, space):
    found = cut((line + space).encode())

    if found:
        read = loads(line)
        assert found.fields.keys() == read.keys()
        assert exactly(body_of(found)) == member(exactly(line), "body")


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_body_that_ends_its_line_is_kept_to_the_letter(separators, ensure_ascii):
    body = {"a": '\\"\u2028\n你"', "b\\": [1.0, 1e-7, -0.0, 10**30, {"c": "\\\\"}], "": None}
    asked = {"custom_id": "one", "body": body}
    line = json.dumps(asked, separators=separators, ensure_ascii=ensure_ascii)

    found = cut(line.encode())

    assert found
    assert body_of(found) == json.dumps(body, separators=separators, ensure_ascii=ensure_ascii)


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"dear","model":"cheap"}',
        r'{"model":"dear","x":"\\","y":"\\","model":"cheap"}',
        r'{"model":"dear","mod\u0065l":"cheap"}',
        '{"model":{"a":1,"a":2},"model":"cheap"}',
    ],
)
def test_of_a_name_that_is_twice_in_a_body_one_is_kept(body):
    found = cut(f'{{"body":{body}}}'.encode())

    assert found
    assert '"model":"cheap"' in body_of(found)
    assert "dear" not in body_of(found)
    assert body_of(found).count("model") == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"body":{}, "method":"POST"}',
        b'{"body":{}',
        b'{"body":{}}}',
        b'{"a":{"body":{}}',
        b'["body":{}}',
        b'{"body":}',
        b'{"body":{},}',
        b'{"body":"\\ud83d"}',
        b'{"body":[NaN]}',
        b'{"body":"\xff"}',
        b'{"x":"\xff","body":{}}',
        b'\xef\xbb\xbf{"body":{}}',
        b'{"body":{}}\x0b',
        b'"body"',
        b"",
    ],
)
def test_other_lines_are_left_to_those_who_read_exactly(line):
    assert cut(line) is None
