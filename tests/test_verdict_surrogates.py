"""Half an emoji: providers write it where they cut an answer, and orjson refuses it."""

import pytest

from headrace.clock import now
from headrace.store.landings import Verb
from worker.call import Answer
from worker.verdict import Circumstances, judge


def judged(body: bytes):
    return judge(Answer(200, {}, body), Circumstances("/v1/chat/completions", 1, 3, 0.0, now()))


def test_half_an_emoji_in_an_answer_is_no_reason_to_pay_again():
    body = b'{"choices": [{"message": {"content": "cut \\ud83d"}}], "usage": {"prompt_tokens": 1}}'

    verdict = judged(body)

    assert (verdict.verb, verdict.answer) == (Verb.SUCCEED, body.decode())


@pytest.mark.parametrize(
    "body", [b'{"choices": [NaN, "\\ud83d"]}', b'["\\ud83d"' + b"[" * 100_000], ids=["nan", "deep"]
)
def test_half_an_emoji_excuses_nothing_else(body):
    assert judged(body).verb is Verb.RETRY
