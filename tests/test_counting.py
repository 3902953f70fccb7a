"""Exact counting: which models' vocabularies are known, and that no text is too odd for it."""

import pytest
import toktok

from headrace.counting import MOST_CHARACTERS, encoding_of, exact_counter
from headrace.tokens import prompt_estimate


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5.1", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("o1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("ft:gpt-4o-mini:org::x", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-large", "cl100k_base"),
        ("text-embedding-ada-002", "cl100k_base"),
        ("openai/gpt-oss-120b", "o200k_harmony"),
        ("llama-3", None),
        ("o1000", None),
        ("my-gpt-4o", None),
        ("", None),
    ],
)
def test_the_vocabulary_follows_from_the_models_name(model, encoding):
    assert encoding_of(model) == encoding


def test_a_chat_is_counted_as_the_cookbook_does():
    count = exact_counter("gpt-4o")
    texts = ["You are a helpful assistant.", "磨坊立在河流离开山丘的地方。"]
    messages = [{"role": "system", "content": texts[0]}, {"role": "user", "content": texts[1]}]

    assert count is not None
    # Three a message, one for its role, three for the answer's start.
    expected = sum(toktok.batch_count(texts, "o200k_base")) + 2 * (3 + 1) + 3
    assert prompt_estimate({"messages": messages}, count) == expected


@pytest.mark.parametrize("text", ["<|endoftext|> and <|im_start|>", "", "\ud83d alone", "\0", "😀" * 50])
def test_any_text_has_a_count(text):
    count = exact_counter("gpt-4o")

    assert count is not None
    assert 0 <= count([text]) <= 4 * len(text)


def test_a_text_beyond_the_cap_is_estimated():
    count = exact_counter("gpt-4o")

    assert count is not None
    assert count(["word " * (MOST_CHARACTERS // 4), "hi"]) == pytest.approx(MOST_CHARACTERS // 4, rel=0.2)


def test_without_the_extra_or_the_vocabulary_nothing_counts():
    assert exact_counter("llama-3") is None
    assert exact_counter("gpt-4o", package="not_installed") is None
