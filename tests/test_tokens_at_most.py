"""The bound that an ambiguous call is booked at: never below what a provider bills for the same body."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.lines import parse_line
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.store.jobs import NewJob
from headrace.tokens import (
    FILE_AT_MOST,
    IMAGE_AT_MOST,
    MOST_TOKENS,
    PREAMBLE_AT_MOST,
    UNSEEN_AT_MOST,
    Bound,
    bound_of_text,
)
from tests.any_json import ANY_JSON, PATIENTLY
from tests.simulated import FAST, ask

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
EMBEDDINGS, RESPONSES = "/v1/embeddings", "/v1/responses"
LONGEST = 20_000  # of the simulator's answers: ten times its mean is far above what it ever writes

SCRIPTS = {
    "English": "The mill stands where the river leaves the hills. ",
    "Chinese": "磨坊立在河流离开山丘的地方。",
    "Japanese": "水車小屋は川が丘を離れる場所に立っている。",
    "Korean": "방앗간은 강이 언덕을 떠나는 곳에 서 있다. ",
    "Russian": "Мельница стоит там, где река выходит из холмов. ",
    "rare": "\U00020000\U0001f937\u200d\u2640\ufe0f\u0e33",
    "short words": "a b c d e ",
    "quotes": '"\\"\n\t',
}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {}}}},
}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(**FAST)) as running:
        yield running


def bound(endpoint, most=LONGEST, **body):
    return bound_of_text(endpoint, orjson.dumps({"model": "m", **body}).decode()).at_most(most)


def chat(content, **options):
    return {"messages": [{"role": "user", "content": content}], **options}


def billed(simulator, endpoint, body):
    answer = ask(simulator, path=endpoint.removeprefix("/v1/"), **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["usage"]["total_tokens"]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    "options",
    [{}, {"max_tokens": 3}, {"max_completion_tokens": 5, "n": 7}, {"n": 9}, {"tools": [TOOL] * 20}],
    ids=["no cap", "cap", "cap and n", "n", "tools"],
)
def test_no_chat_is_billed_above_its_bound(simulator, script, options):
    body = chat(SCRIPTS[script] * 200, reasoning_effort="high", **options)

    assert billed(simulator, CHAT, body) <= bound(CHAT, **body)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": ""}] * 500, "max_tokens": 1}),
        (CHAT, chat([IMAGE] * 30, max_tokens=1)),
        (COMPLETIONS, {"prompt": ["one", "two", "three"], "max_tokens": 40, "n": 2}),
        (COMPLETIONS, {"prompt": [[1, 2, 3], [4, 5]], "max_tokens": 40}),
        (COMPLETIONS, {"prompt": "你好"}),
        (EMBEDDINGS, {"input": ["你好" * 500, "Hello"]}),
        (EMBEDDINGS, {"input": list(range(2000))}),
        (RESPONSES, {"input": "你好" * 500, "instructions": "Be brief.", "max_output_tokens": 16}),
        (RESPONSES, {"input": [{"role": "user", "content": "Hi"}] * 100}),
    ],
)
def test_no_call_of_any_endpoint_is_billed_above_its_bound(simulator, endpoint, body):
    assert billed(simulator, endpoint, body) <= bound(endpoint, **body)


def test_the_bound_of_a_plain_chat_is_its_bytes_and_its_cap():
    body = chat("Hello", max_tokens=100, n=3)

    assert bound(CHAT, **body) == len(orjson.dumps({"model": "m", **body})) + PREAMBLE_AT_MOST + 300


def test_without_a_cap_it_is_the_longest_answer_of_the_model():
    assert bound(CHAT, 777, **chat("a", n=2)) - bound(CHAT, 1, **chat("a", n=2)) == 2 * 776
    assert bound(CHAT, 777, **chat("a", max_tokens=9)) == bound(CHAT, 1, **chat("a", max_tokens=9))


def test_the_larger_of_two_caps_counts_and_one_of_another_endpoint_does_not():
    both, one = chat("a", max_completion_tokens=5, max_tokens=90), chat("a", max_output_tokens=5)

    assert bound(CHAT, **both) > 90 + PREAMBLE_AT_MOST
    assert bound(CHAT, 1000, **one) > 1000 + PREAMBLE_AT_MOST


def test_embeddings_write_nothing():
    assert bound(EMBEDDINGS, input="a") < PREAMBLE_AT_MOST + 100


@pytest.mark.parametrize(
    ("content", "least"),
    [
        ([IMAGE] * 3, 3 * IMAGE_AT_MOST),
        ([{"type": "file", "file": {"file_id": "file-1"}}], FILE_AT_MOST),
        ([{"type": "input_file", "file_url": "https://example.org/a.pdf"}], FILE_AT_MOST),
    ],
)
def test_what_is_attached_by_reference_costs_more_than_its_bytes(content, least):
    assert bound(CHAT, **chat(content)) - bound(CHAT, **chat("")) > least


@pytest.mark.parametrize(
    "unseen",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"tools": [{"type": "web_search"}]},
        {"web_search_options": {"search_context_size": "high"}},
    ],
)
def test_what_only_the_provider_has_costs_up_to_a_context_window(unseen):
    assert bound(RESPONSES, input="a", **unseen) > UNSEEN_AT_MOST
    assert bound(RESPONSES, input="a", tools=[TOOL]) < UNSEEN_AT_MOST


@PATIENTLY
@given(
    st.sampled_from([CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES]),
    st.dictionaries(
        st.sampled_from(["messages", "prompt", "input", "tools", "n", "best_of", "max_tokens", "type"]),
        ANY_JSON,
    ),
)
def test_any_body_has_a_bound_that_fits_its_column(endpoint, body):
    assert 0 < bound_of_text(endpoint, orjson.dumps(body).decode()).at_most(131_072) <= MOST_TOKENS


@PATIENTLY
@given(
    st.sampled_from([CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES]),
    st.dictionaries(
        st.sampled_from(["prompt", "tools", "n", "best_of", "max_tokens", "max_output_tokens", "a"]),
        ANY_JSON | st.sampled_from([IMAGE, [IMAGE], [{"type": "file"}], 7]),
    ),
    st.booleans(),
)
def test_the_bound_that_is_kept_with_a_job_is_the_one_that_its_body_has(endpoint, body, spaced):
    body |= {"model": "m", "messages": [{"content": "a"}], "input": "a"}
    request = {"custom_id": "a", "method": "POST", "url": endpoint, "body": body}
    written = orjson.dumps(request, option=orjson.OPT_INDENT_2 if spaced else None).replace(b"\n", b" ")

    job = parse_line(written, 1, endpoint, lambda _: True)

    if isinstance(job, NewJob):
        kept = Bound(job.tokens_at_most, job.open_answers, job.prompt_at_most)
        assert kept.at_most(131_072) == bound_of_text(endpoint, job.body).at_most(131_072)
