"""Lines that nobody would think of: none makes the parser stumble, none is lost, none passes unseen."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headrace.bodies import PROMPT_FIELD
from headrace.lines import FIELDS, Request, parse_line
from headrace.settings import Settings
from headrace.states import BatchStatus
from headrace.store.jobs import NewJob
from headrace.tags import TagSets
from headrace.tokens import bound_of_text
from tests import batch_input
from tests.any_json import PATIENTLY
from tests.exactly import DOCUMENTS, STRINGS, exactly, member
from worker.input_lines import lines
from worker.line_check import LineCheck, LineRules
from worker.review import Review

pytest_plugins = ["tests.databases", "tests.hints"]

CHAT = "/v1/chat/completions"
MAX_BYTES = 4 * 1024 * 1024
CODES = {
    "invalid_json_line",
    "missing_required_parameter",
    "invalid_request",
    "invalid_method",
    "invalid_url",
    "model_not_found",
    "streaming_unsupported",
    "duplicate_custom_id",
}
OWN_NAMES = {"model", "stream", *PROMPT_FIELD.values()}


SHUFFLED = st.randoms(use_true_random=False).map(
    lambda chance: lambda members: ",".join(chance.sample(members, len(members)))
)
OTHER_PARAMETERS = st.tuples(
    st.lists(
        st.tuples(STRINGS.filter(lambda name: json.loads(name) not in OWN_NAMES), DOCUMENTS).map(":".join),
        max_size=3,
    ),
    st.sampled_from([[], ['"stream":false'], ['"stream" : null']]),
).map(lambda both: both[0] + both[1])
OTHER_FIELDS = st.lists(DOCUMENTS.map('"something else":{}'.format), max_size=1)
PIECES = [b'"', b"{", b"}", b"[", b",", b"\\", b"0", b"e", b"-", b"\\ud83d", b"\xed\xa0\x80", b"NaN"]
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 9999),
        st.integers(0, 8),
        st.binary(max_size=4) | st.sampled_from(PIECES),
        st.sampled_from([1, 1, 1, 2, 100]),
    ),
    min_size=1,
    max_size=4,
)


def any_model(_name):
    return True


def parsed(raw, endpoint=CHAT):
    """What became of a line, which is a job that can be sent or a fault that can be told."""
    found = parse_line(raw, 3, endpoint, any_model)
    if isinstance(found, NewJob):
        assert found.body.encode()
        assert "\n" not in found.body
        assert bound_of_text(endpoint, found.body).at_most(100) > 0
    else:
        assert found.code in CODES
        assert json.dumps(found.as_error(3)).encode()
        found.message.encode()
    return found


@st.composite
def good_lines(draw, custom_id="one"):
    """A line that can run, with more in it than is asked for: its bytes, and its body as it is written."""
    prompt = ['"model": "m"', f'"messages":[{{"role":"user","content":{draw(STRINGS)}}}]']
    body = f"{{{draw(SHUFFLED)(prompt + draw(OTHER_PARAMETERS))}}}"
    needed = [f'"custom_id":"{custom_id}"', '"method":"POST"', f'"url" : "{CHAT}"', f'"body":{body}']
    return f"{{{draw(SHUFFLED)(needed + draw(OTHER_FIELDS))}}}".encode(), body


@st.composite
def mutated_lines(draw, custom_id="one"):
    """A line that could run, until some of its bytes were taken away, changed, or repeated."""
    line = bytearray(draw(good_lines(custom_id))[0])
    for place, length, new, times in draw(CHANGES):
        at = place % (len(line) + 1)
        line[at : at + length] = new * times
    return bytes(line).replace(b"\n", b" ")


@PATIENTLY
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_become_a_job_or_a_fault(raw):
    parsed(raw)


@PATIENTLY
@given(DOCUMENTS, st.sampled_from([*PROMPT_FIELD]))
def test_any_json_becomes_a_job_or_a_fault(document, endpoint):
    parsed(document.encode(), endpoint)


@PATIENTLY
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, DOCUMENTS)), st.sampled_from([*PROMPT_FIELD]))
def test_any_values_of_a_lines_fields_become_a_job_or_a_fault(fields, endpoint):
    usual = {"custom_id": '"a"', "method": '"POST"', "url": json.dumps(endpoint)}
    members = (f'"{name}":{value}' for name, value in (usual | fields).items())
    parsed(f"{{{','.join(members)}}}".encode(), endpoint)


@PATIENTLY
@given(st.dictionaries(st.sampled_from([*OWN_NAMES, "n", "max_tokens", "tools"]), DOCUMENTS), st.data())
def test_any_values_of_a_bodys_fields_become_a_job_or_a_fault(fields, data):
    endpoint = data.draw(st.sampled_from([*PROMPT_FIELD]))
    usual = {"model": '"m"', PROMPT_FIELD[endpoint]: '[{"content":"a"}]'}
    body = ",".join(f'"{name}":{value}' for name, value in (usual | fields).items())
    parsed(f'{{"custom_id":"a","method":"POST","url":"{endpoint}","body":{{{body}}}}}'.encode(), endpoint)


@PATIENTLY
@given(good_lines())
def test_a_good_line_is_a_job_whose_body_is_what_was_written(line):
    raw, body = line

    found = parsed(raw)

    assert isinstance(found, NewJob)
    assert exactly(found.body) == exactly(body)


@PATIENTLY
@given(mutated_lines())
@example(b"")
@example(b'{"custom_id":"\\ud83d","method":"POST"}')
def test_a_line_with_changed_bytes_is_a_fault_or_runs_what_it_says(raw):
    found = parsed(raw)

    if isinstance(found, NewJob):
        assert exactly(found.body) == member(exactly(raw), "body")


@st.composite
def inputs(draw):
    """Lines in any order: good ones, by number the body; bad ones; changed ones, which may be either."""
    kinds = draw(st.lists(st.sampled_from(["good", "bad", "changed", "blank"]), min_size=1, max_size=7))
    content, good, bad = [], {}, set()
    for number, kind in enumerate(kinds, 1):
        if kind == "good":
            raw, good[number] = draw(good_lines(f"good-{number}"))
        elif kind == "bad":
            raw = draw(st.sampled_from([b"{", b"[]", b"\xff", b"{}", b'"\\ud83d"', b"nan", b"7", b"\0"]))
            bad.add(number)
        else:
            raw = (
                draw(mutated_lines(f"an-altogether-different-one-{number}"))
                if kind == "changed"
                else b" \t\r"
            )
        content.append(raw)
    return content, good, bad


def written(folder: Path, content):
    path = folder / "input.jsonl"
    path.write_bytes(b"\n".join(content))
    return path


@settings(PATIENTLY, max_examples=40, suppress_health_check=[*HealthCheck])
@given(inputs())
def test_every_bad_line_of_an_input_is_told_by_its_number_and_every_good_one_is_taken(tmp_path, given_input):
    content, good, bad = given_input
    check = LineCheck(LineRules(CHAT, any_model, MAX_BYTES, TagSets()))
    review, jobs = Review(len(content)), {}

    for line in lines(written(tmp_path, content), max_bytes=MAX_BYTES):
        checked = check.next(line)
        review.add(line.number, checked)
        if isinstance(checked, Request):
            jobs[line.number] = checked.job(line.number, TagSets())

    told = [error["line"] for error in review.errors() if error["line"] is not None]
    assert told == sorted(set(told))
    assert not set(told) & jobs.keys()
    assert set(told) | jobs.keys() == {number for number, raw in enumerate(content, 1) if raw.strip()}
    assert bad <= set(told)
    for number, body in good.items():
        assert exactly(jobs[number].body) == exactly(body)


@settings(PATIENTLY, max_examples=15, suppress_health_check=[*HealthCheck])
@given(inputs())
@pytest.mark.usefixtures("hints")
def test_an_input_fails_with_its_bad_lines_or_is_stored_exactly(
    store, tmp_path, redis_client_url, given_input
):
    content, good, bad = given_input
    folders = Settings(data_dir=tmp_path, redis_url=redis_client_url, max_body_bytes=MAX_BYTES)
    batch_id = batch_input.given(store, folders, *content)

    batch_input.ingesting(store, folders, batch_id).run()

    batch = store.batch_row(batch_id)
    told = {error["line"] for error in batch.errors or []}
    assert bad <= told
    assert not told & good.keys()
    stored = {job.line: job.body for job in store.jobs(batch_id)}
    if batch.status == BatchStatus.FAILED:
        assert told or not any(map(bytes.strip, content))
        assert not stored
    else:
        assert not told
        assert batch.total == len(stored)
        assert {line: exactly(stored[line]) for line in good} == {line: exactly(good[line]) for line in good}
