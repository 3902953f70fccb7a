"""Half an emoji, which providers write where they cut an answer, and other JSON that orjson refuses."""

import pytest

from headrace.clock import now
from headrace.store.landings import Verb
from headrace.usage import NO_USAGE, Usage
from tests.exactly import ODD_NUMBERS
from worker.call import Answer
from worker.verdict import Circumstances, judge


def judged(body: bytes):
    return judge(Answer(200, {}, body), Circumstances("/v1/chat/completions", 1, 3, 0.0, now()))


def test_half_an_emoji_in_an_answer_is_no_reason_to_pay_again():
    body = b'{"choices": [{"message": {"content": "cut \\ud83d"}}], "usage": {"prompt_tokens": 1}}'

    verdict = judged(body)

    assert (verdict.verb, verdict.answer) == (Verb.SUCCEED, body.decode())


def test_a_byte_order_mark_is_no_reason_to_pay_again_and_no_part_of_the_answer():
    body = b'{"choices": [1], "usage": {"prompt_tokens": 1}}'

    verdict = judged(b"\xef\xbb\xbf" + body)

    assert (verdict.verb, verdict.answer, verdict.usage) == (
        Verb.SUCCEED,
        body.decode(),
        Usage(1, 0, 0, 0, 1),
    )


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda text: text[:30])
def test_an_odd_number_in_an_answer_is_no_reason_to_pay_again(number):
    body = f'{{"choices": [{number}], "usage": {{"prompt_tokens": {number}}}}}'

    verdict = judged(body.encode())

    assert (verdict.verb, verdict.answer) == (Verb.SUCCEED, body)
    assert verdict.usage == NO_USAGE


@pytest.mark.parametrize(
    "body", [b'{"choices": [NaN, "\\ud83d"]}', b'["\\ud83d"' + b"[" * 100_000], ids=["nan", "deep"]
)
def test_half_an_emoji_excuses_nothing_else(body):
    assert judged(body).verb is Verb.RETRY
