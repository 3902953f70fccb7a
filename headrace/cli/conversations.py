"""The input of the demo: some hundred conversations, no two alike, one of which must fail."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

MODELS = ("simulator-small", "simulator-large")
FAILING_ID = "must-fail"
SYSTEMS = (
    None,
    "You are a miller. Answer in one paragraph.",
    "Answer as briefly as you can.",
    "你是一位耐心的老师，请用简单的中文回答。",
)
ENGLISH = (
    "How much water does a mill wheel of {n} buckets need?",
    "Why does a queue of {n} jobs drain more slowly than it fills?",
    "Summarise in {n} words: " + "the stream rises in spring and falls in August. " * 12,
    "Translate into French: the gate has {n} boards.",
    "Write a limerick about the number {n}.",
)
CHINESE = (
    "请解释为什么水轮每分钟转{n}圈。",
    "把{n}袋麦子磨成面粉需要多久？",
    "用{n}个字介绍都江堰。" + "岷江出山口，水势湍急，沙石俱下。" * 10,
    "翻译成英文：闸门有{n}块木板。",
)
FOLLOW_UPS = (
    "And if it is twice as many?",
    "Say that again, for a child.",
    "那么反过来呢？",
    "为什么？",
)
ANSWERS = ("It depends on the fall of the water.", "大约需要半天，要看水量。", "Yes.")


def write_conversations(path: Path, count: int) -> None:
    """Write `count` lines with `messages`, of one to three turns, in English and in Chinese."""
    with path.open("w", encoding="utf-8") as out:
        for number in range(count):
            out.write(
                json.dumps(_conversation(number, fails=number == count // 2), ensure_ascii=False) + "\n"
            )


def _conversation(number: int, *, fails: bool) -> dict[str, Any]:
    questions = list(_questions(number))
    if fails:
        questions[-1] += " [[sim:400]]"  # the simulator refuses what has this in it
    return {
        "id": FAILING_ID if fails else f"conversation-{number + 1:03}",
        "model": _nth(MODELS, number),
        "messages": list(_messages(_nth(SYSTEMS, number), questions)),
        "max_tokens": 40 + 20 * (number % 7),
    }


def _questions(number: int) -> Iterator[str]:
    yield _nth(CHINESE if number % 2 else ENGLISH, number // 2).format(n=number + 1)
    for turn in range(number % 3):
        yield _nth(FOLLOW_UPS, number + turn)


def _messages(system: str | None, questions: Sequence[str]) -> Iterator[dict[str, str]]:
    if system:
        yield {"role": "system", "content": system}
    for turn, question in enumerate(questions):
        if turn:
            yield {"role": "assistant", "content": _nth(ANSWERS, turn)}
        yield {"role": "user", "content": question}


def _nth(of: Sequence[T], number: int) -> T:
    return of[number % len(of)]
