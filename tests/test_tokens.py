"""Estimates from a body alone: never absurd, never a failure, close to the truth on any script."""

from pathlib import Path

import pytest
import toktok
from hypothesis import given
from hypothesis import strategies as st

from headrace.text_tokens import text_tokens
from headrace.tokens import MOST_TOKENS, TOKENS_PER_ATTACHMENT, completion_cap, prompt_estimate
from tests.any_json import ANY_JSON, PATIENTLY

ROOT = Path(__file__).parent.parent
FIELDS = ("messages", "prompt", "input", "tools", "type", "text", "n", "max_tokens", "max_output_tokens")

# With the tokens that OpenAI's vocabulary o200k_base makes of each.
MEASURED = {
    "English": (
        "The mill stands where the river leaves the hills. In a dry summer the wheel turns slowly, and in "
        "spring it has to be held back, for the water would break it. Nobody in the village remembers who "
        "built it.",
        45,
    ),
    "Chinese": (
        "磨坊立在河流离开山丘的地方。干旱的夏天，水轮转得很慢；到了春天，必须把它拦住，否则水会把它冲坏。村里没有人记得是谁建造了它。",
        57,
    ),
    "Japanese": (
        "水車小屋は川が丘を離れる場所に立っている。乾いた夏には車輪はゆっくりと回り、春には水に壊されないよう"
        "抑えなければならない。誰が建てたのか、村の誰も覚えていない。",
        67,
    ),
    "Korean": (
        "방앗간은 강이 언덕을 떠나는 곳에 서 있다. 가문 여름에는 바퀴가 천천히 돌고, "
        "봄에는 물이 부수지 않도록 붙잡아 두어야 한다. 누가 지었는지 마을의 아무도 기억하지 못한다.",
        66,
    ),
    "Russian": (
        "Мельница стоит там, где река выходит из холмов. Сухим летом колесо вращается медленно, а весной его "
        "приходится сдерживать, чтобы вода его не сломала. Никто в деревне не помнит, кто её построил.",
        56,
    ),
    "Python": (
        "def drain(lane: str, limit: int) -> list[Claim]:\n"
        '    """Claim due jobs."""\n'
        "    with db.begin() as session:\n"
        "        rows = session.execute(due.limit(limit)).all()\n"
        "    return [Claim(*row) for row in rows if row.state == 'queued']\n",
        60,
    ),
}


def chat(text):
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize("script", MEASURED)
def test_a_prompt_is_estimated_near_the_truth_on_any_script(script):
    text, tokens = MEASURED[script]

    assert 0.8 <= prompt_estimate({"prompt": text}) / tokens <= 1.2


@pytest.mark.parametrize(
    ("documents", "least"),
    [("docs/decisions/*.md", 5_000), ("headrace/**/*.py", 20_000), ("headrace/*.lua", 1_000)],
)
def test_prose_and_code_are_estimated_within_a_tenth(documents, least):
    texts = [path.read_text() for path in sorted(ROOT.glob(documents))]
    tokens = sum(toktok.batch_count(texts, "o200k_base"))

    assert tokens > least
    assert sum(prompt_estimate({"prompt": text}) for text in texts) == pytest.approx(tokens, rel=0.1)


@pytest.mark.parametrize(
    "text", ["word " * 20_000, "磨坊立在河流离开山丘的地方。" * 4_000, "def f(x):\n" * 9_000]
)
def test_a_long_text_is_estimated_like_a_part_of_it(text):
    part = text[: len(text) // 1000]

    assert prompt_estimate({"prompt": text}) / 1000 == pytest.approx(text_tokens([part]), rel=0.15)


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
        ({"max_tokens": 2**40, "n": 2**40}, MOST_TOKENS),
    ],
)
def test_the_cap_is_what_the_body_allows_over_all_choices(body, cap):
    assert completion_cap(body) == cap


@PATIENTLY
@given(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON))
def test_any_body_has_an_estimate_that_fits_its_column(body):
    prompt, completion = prompt_estimate(body), completion_cap(body)

    assert prompt >= 1
    assert prompt + (completion or 0) < 2**31
