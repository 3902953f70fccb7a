"""Good statuses with an empty list of results, or none: which are answers, and what is kept of others."""

import pytest

from headrace.states import Outcome
from headrace.store.landings import Verb
from tests.verdicts import COUNTED, USAGE, answer, around
from worker.verdict import judge


@pytest.mark.parametrize(
    "body",
    [
        {"choices": None, "usage": USAGE},
        {"choices": [], "usage": USAGE, "error": {"message": "overloaded"}},
    ],
)
def test_an_answer_without_a_result_may_tell_what_it_cost(body):
    verdict = judge(answer(200, body), around())

    assert (verdict.verb, verdict.usage) == (Verb.RETRY, COUNTED)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/chat/completions", {"choices": []}),
        ("/v1/completions", {"choices": []}),
        ("/v1/embeddings", {"data": []}),
        ("/v1/responses", {"output": []}),
    ],
)
def test_an_empty_answer_that_was_paid_for_is_an_answer_and_another_is_asked_for_again(endpoint, body):
    paid = judge(answer(200, {**body, "error": None, "usage": USAGE}), around(endpoint))
    unpaid = judge(answer(200, body), around(endpoint))
    free = judge(answer(200, {**body, "usage": {"total_tokens": 0}}), around(endpoint))

    assert (paid.verb, paid.outcome, paid.usage) == (Verb.SUCCEED, Outcome.SUCCEEDED, COUNTED)
    assert (unpaid.verb, unpaid.outcome, unpaid.usage) == (Verb.RETRY, Outcome.AMBIGUOUS, None)
    assert free.verb is Verb.RETRY


@pytest.mark.parametrize(
    "status", ["incomplete", "failed", "queued", "in_progress", "cancelled", "completed"]
)
def test_a_response_that_says_how_it_ended_is_an_answer_without_any_output(status):
    got = answer(200, {"status": status, "output": [], "error": {"code": "server_error"}})

    verdict = judge(got, around("/v1/responses"))

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.SUCCEED, Outcome.SUCCEEDED, None)
    assert (verdict.status, verdict.answer, verdict.code) == (200, got.body.decode(), None)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/responses", {"status": "completed"}),
        ("/v1/responses", {"status": "completed", "output": None}),
        ("/v1/responses", {"status": 7, "output": []}),
        ("/v1/chat/completions", {"status": "completed", "choices": []}),
    ],
)
def test_a_status_alone_makes_no_answer(endpoint, body):
    assert judge(answer(200, body), around(endpoint)).verb is Verb.RETRY


def test_the_last_answer_without_a_result_is_kept_if_it_is_a_json_object():
    got = answer(200, {"choices": None, "usage": USAGE, "provider": "a"})

    verdict = judge(got, around(attempts=3))

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.FAIL, Outcome.AMBIGUOUS, COUNTED)
    assert (verdict.status, verdict.code) == (200, "invalid_answer")
    assert verdict.answer == got.body.decode()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices":[NaN]}', b""])
def test_the_last_answer_that_is_no_json_object_is_told_in_the_error(body):
    verdict = judge(answer(200, body), around(attempts=3))

    assert (verdict.verb, verdict.status, verdict.answer) == (Verb.FAIL, 200, None)
    assert (body.decode() or "an empty body") in (verdict.message or "")
