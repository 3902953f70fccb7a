"""INPUT with `--invalid-lines skip`: bad lines are sent along, so that they become results."""

import json

import pytest

from headrace.bodies import Fault
from headrace.cli.conversion import Rules
from headrace.cli.inputs import read_input
from headrace.lines import parse_line

CHAT = "/v1/chat/completions"
GOOD = {"messages": [{"role": "user", "content": "Hi"}]}
LINE = {"custom_id": "a", "method": "POST", "url": CHAT, "body": {"model": "m", **GOOD}}


@pytest.fixture
def read(tmp_path):
    """Reads an input of these lines; returns the Input, and the lines that it sends."""

    def read(*lines, name="input.jsonl", model="m", max_line_bytes=10_000):
        given = tmp_path / name
        given.write_bytes(
            b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
        )
        made = read_input(str(given), tmp_path, Rules(model, lambda _: True, max_line_bytes, skip=True))
        return made, made.path.read_bytes().splitlines()

    return read


BAD = {
    "no JSON": b'{"messages": ',
    "no object": b"[1]",
    "no UTF-8": b'{"prompt": "\xff"}',
    "neither form": {"text": "Hi"},
    "both forms": {**GOOD, "prompt": "Hi"},
    "no messages": {"messages": []},
    "a number as custom_id": {**LINE, "custom_id": 5},
    "a stream": {**GOOD, "stream": True},
    "another endpoint": {**LINE, "url": "/v1/embeddings"},
    "a bare line that streams": {"prompt": "Hi", "stream": True},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_line_is_sent_in_its_place_and_refused_there(read, capfd, bad):
    made, sent = read(LINE, bad, GOOD)

    assert made.total == len(sent) == 3
    assert isinstance(parse_line(sent[1], 2, CHAT, lambda _: True), Fault)
    assert json.loads(sent[1]) is not None, "an upload must begin with JSON, and so every line is JSON"
    assert (made.places, made.endpoint) == ({"a": 0, "line-3": 2}, CHAT)
    assert list(made.line_numbers) == [1, 2, 3]
    assert capfd.readouterr().err.startswith(f"will not run: {made.name}:2: ")


def test_a_line_that_is_too_long_is_told_and_not_sent(read):
    made, sent = read(GOOD, b"x" * 5000, max_line_bytes=1000)

    assert made.faults == [f"{made.name}:2: the line is longer than 1000 bytes"]
    assert len(sent[1]) < 1000


def test_of_two_lines_with_one_id_the_first_runs(read):
    made, sent = read(LINE, LINE)

    assert json.loads(sent[0]) == json.loads(sent[1]) == LINE
    assert made.places == {"a": 0}
    assert "line 1 too" in made.faults[0]


def test_an_input_of_bad_lines_alone_is_sent(read):
    made, sent = read(b"1", b"2")

    assert (made.total, made.endpoint, sent) == (2, CHAT, [b'"1"', b'"2"'])


def test_a_text_may_have_bad_lines_too(read):
    made, sent = read(b"Hello", b"\xff", name="prompts.txt")

    assert made.faults == [f"{made.name}:2: byte 1 is not UTF-8"]
    assert isinstance(parse_line(sent[1], 2, CHAT, lambda _: True), Fault)
