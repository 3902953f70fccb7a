"""Estimates from a body alone: never absurd, never a failure, close to the truth on any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.tokens import TOKENS_PER_ATTACHMENT, completion_cap, prompt_estimate

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
FIELDS = ("messages", "prompt", "input", "tools", "type", "text", "n", "max_tokens", "max_output_tokens")

# Text and the tokens that the o200k vocabulary makes of it.
MEASURED = [
    ("The quick brown fox jumps over the lazy dog, and nobody in the village was surprised by it.", 19),
    ("敏捷的棕色狐狸跳过了懒狗，村里没有人对此感到惊讶。", 23),
]


def chat(text):
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize(("text", "tokens"), MEASURED)
def test_a_prompt_is_estimated_within_half_of_the_truth_on_any_script(text, tokens):
    estimate = prompt_estimate({"prompt": text})

    assert 0.8 * tokens <= estimate <= 1.6 * tokens


def test_chinese_costs_more_than_its_characters_suggest():
    assert prompt_estimate({"prompt": "你好世界" * 100}) > 300


def test_every_message_and_tool_counts():
    one = prompt_estimate(chat("hello there"))
    two = prompt_estimate({"messages": chat("hello there")["messages"] * 2})
    tool = {
        "type": "function",
        "function": {"name": "weather", "description": "The weather in a city. " * 10},
    }

    assert two > one
    assert prompt_estimate({**chat("hello there"), "tools": [tool]}) > one + 50


def test_a_tool_whose_schema_allows_null_is_counted():
    schema = {"type": "object", "properties": {"city": {"type": ["string", "null"]}}}

    assert prompt_estimate({**chat("hi"), "tools": [{"type": "function", "parameters": schema}]}) > 5


@pytest.mark.parametrize("kind", ["image_url", "input_image", "input_audio", "file", "input_file"])
def test_an_attachment_has_a_flat_rate_whatever_its_bytes(kind):
    part = {"type": kind, kind: {"url": "data:image/png;base64," + "A" * 1_000_000}}

    assert TOKENS_PER_ATTACHMENT <= prompt_estimate(chat([part])) < TOKENS_PER_ATTACHMENT + 20


def test_token_ids_are_counted_as_they_are():
    assert prompt_estimate({"input": list(range(500))}) == 500
    assert prompt_estimate({"input": [[1, 2, 3], [4, 5]]}) == 5


@pytest.mark.parametrize("body", [{}, {"messages": None}, {"messages": "text"}, {"prompt": 7}])
def test_an_empty_prompt_is_still_a_token(body):
    assert prompt_estimate(body) >= 1


@pytest.mark.parametrize(
    ("body", "cap"),
    [
        ({}, None),
        ({"max_tokens": 100}, 100),
        ({"max_completion_tokens": 50, "max_tokens": 100}, 50),
        ({"max_output_tokens": 70}, 70),
        ({"max_tokens": 100, "n": 3}, 300),
        ({"max_tokens": 0}, None),
        ({"max_tokens": -5}, None),
        ({"max_tokens": True}, None),
        ({"max_tokens": "100"}, None),
        ({"max_tokens": None, "n": None}, None),
        ({"max_tokens": 100, "n": "3"}, 100),
    ],
)
def test_the_cap_is_what_the_body_allows_over_all_choices(body, cap):
    assert completion_cap(body) == cap


@given(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON))
def test_any_body_has_an_estimate_that_fits_its_column(body):
    prompt, completion = prompt_estimate(body), completion_cap(body)

    assert prompt >= 1
    assert prompt + (completion or 0) < 2**31
