"""What an answer, or the lack of one, means for its job: a table."""

import orjson
import pytest

from headrace.states import Outcome
from headrace.store.landings import Verb
from headrace.usage import NO_USAGE
from tests.verdicts import CHOICES, COUNTED, USAGE, answer, around, error
from worker.call import Lost, NotSent
from worker.verdict import judge


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/chat/completions", {"choices": CHOICES}),
        ("/v1/completions", {"choices": [{"text": "Hello"}]}),
        ("/v1/embeddings", {"data": [{"embedding": [0.5]}]}),
        ("/v1/responses", {"output": [{"type": "message"}]}),
    ],
)
def test_a_good_answer_succeeds_with_its_text_and_usage(endpoint, body):
    got = answer(200, {**body, "usage": USAGE})

    verdict = judge(got, around(endpoint))

    assert (verdict.verb, verdict.outcome) == (Verb.SUCCEED, Outcome.SUCCEEDED)
    assert (verdict.status, verdict.usage) == (200, COUNTED)
    assert verdict.answer == got.body.decode()
    assert verdict.pause is None
    assert verdict.code is None


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_stopped_early_is_an_answer(reason):
    body = {"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": reason}]}

    assert judge(answer(200, body), around()).verb is Verb.SUCCEED


def test_without_usage_the_charge_is_not_known():
    verdict = judge(answer(200, {"choices": CHOICES}), around())

    assert verdict.verb is Verb.SUCCEED
    assert verdict.usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"choices":[{"message"',
        b'{"choices":[{"logprob":NaN}]}',
        b'{"choices":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"choices":["\xff"]}',
        b"[]",
        b"null",
        b"{}",
        b'{"choices":[]}',
        b'{"choices":{}}',
        b'{"choices":null}',
        b'{"error":{"message":"with status 200"}}',
    ],
)
def test_an_answer_without_a_result_is_ambiguous(body):
    verdict = judge(answer(200, body), around())

    assert (verdict.verb, verdict.outcome) == (Verb.RETRY, Outcome.AMBIGUOUS)
    assert (verdict.code, verdict.usage, verdict.answer) == ("invalid_answer", None, None)
    assert verdict.message
    assert len(verdict.message) <= 500


def test_what_was_not_sent_costs_nothing_and_is_tried_again_soon():
    verdict = judge(NotSent("ConnectionRefusedError: [Errno 111]"), around(attempts=3, chance=0.5))

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.SNOOZE, Outcome.NOT_SENT, NO_USAGE)
    assert verdict.delay_seconds == 3.0
    assert "ConnectionRefusedError" in (verdict.notice or "")


@pytest.mark.parametrize(
    ("got", "status", "code", "reason"),
    [
        (Lost("timeout", "No whole answer within 5 s"), None, "timeout", "No whole answer within 5 s"),
        (Lost("connection_lost", "cut"), None, "connection_lost", "cut"),
        (error(500, "Oh", kind="server_error"), 500, "server_error", "Oh"),
        (answer(502, b"<h1>Bad Gateway</h1>"), 502, None, "<h1>Bad Gateway</h1>"),
        (error(503, "Later", kind="server_error", code="overloaded"), 503, "overloaded", "Later"),
        (error(529, "Overloaded", kind="overloaded_error"), 529, "overloaded_error", "Overloaded"),
        (error(408), 408, "invalid_request_error", "No."),
        (error(409), 409, "invalid_request_error", "No."),
        (error(425), 425, "invalid_request_error", "No."),
        (answer(500, b""), 500, None, "an empty body"),
        (answer(500, {"error": "a word"}), 500, None, "a word"),
        (answer(500, {"detail": "Not today"}), 500, None, "Not today"),
        (answer(500, {"error": None}), 500, None, '{"error":null}'),
    ],
)
def test_what_may_have_been_paid_for_is_retried_under_the_budget_of_attempts(got, status, code, reason):
    verdict = judge(got, around(attempts=2))

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.RETRY, Outcome.AMBIGUOUS, None)
    assert (verdict.status, verdict.code, verdict.message) == (status, code, reason)
    assert verdict.answer is None
    assert verdict.pause is None

    last = judge(got, around(attempts=3))
    assert (last.verb, last.outcome) == (Verb.FAIL, Outcome.AMBIGUOUS)
    assert (last.status, last.code, last.message) == (status, code, reason)


def test_the_last_failure_keeps_the_providers_body():
    got = error(500, "Oh", kind="server_error")

    assert judge(got, around(attempts=3)).answer == got.body.decode()
    assert judge(Lost("timeout", "No whole answer"), around(attempts=3)).answer is None


def test_a_body_that_is_no_json_becomes_an_envelope_with_its_beginning():
    verdict = judge(answer(502, b"<h1>" + b"x" * 10_000), around(attempts=3))

    envelope = orjson.loads(verdict.answer or "")
    assert envelope["error"]["message"].startswith("<h1>xxx")
    assert len(envelope["error"]["message"]) == 500
    assert set(envelope["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("attempts", "chance", "delay"),
    [(1, 0.5, 1.0), (1, 1.0, 2.0), (3, 0.25, 2.0), (9, 1.0, 60.0), (5, 0.0, 0.0)],
)
def test_backoff_doubles_up_to_a_minute_with_full_jitter(attempts, chance, delay):
    verdict = judge(Lost("timeout", ""), around(attempts=attempts, max_attempts=100, chance=chance))

    assert verdict.delay_seconds == delay


@pytest.mark.parametrize("status", [300, 304, 400, 405, 413, 415, 422, 451])
def test_a_final_answer_fails_the_job_with_status_and_body(status):
    got = error(status, "Too long", code="context_length_exceeded")

    verdict = judge(got, around())

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.FAIL, Outcome.FAILED, NO_USAGE)
    assert (verdict.status, verdict.code, verdict.message) == (status, "context_length_exceeded", "Too long")
    assert verdict.answer == got.body.decode()
    assert verdict.pause is None


def test_a_refusal_may_state_usage():
    body = {"error": {"message": "content filter"}, "usage": USAGE}

    assert judge(answer(400, body), around()).usage == COUNTED


def test_a_request_above_the_whole_limit_fails_with_a_message_that_says_so():
    message = "Request too large for m in organization o on tokens per min (TPM): Limit 1000, Requested 2000."

    verdict = judge(error(429, message, kind="tokens", code="rate_limit_exceeded"), around())

    assert (verdict.verb, verdict.outcome, verdict.status) == (Verb.FAIL, Outcome.FAILED, 429)
    assert verdict.message == message
    assert verdict.pause is None


def test_no_nul_goes_into_the_database():
    verdicts = [
        judge(error(422, "a\0b", code="c\0d"), around()),
        judge(answer(500, b"a\0b"), around(attempts=3)),
        judge(NotSent("a\0b"), around()),
        judge(Lost("timeout", "a\0b"), around()),
    ]

    for verdict in verdicts:
        texts = (verdict.message, verdict.code, verdict.notice, verdict.answer)
        assert all("\0" not in text for text in texts if text)


@pytest.mark.parametrize("status", [403, 404])
def test_where_others_are_answered_a_refusal_is_about_that_request_alone(status):
    verdict = judge(error(status, "Not this prompt"), around()._replace(welcome=True))

    assert (verdict.verb, verdict.status, verdict.pause) == (Verb.FAIL, status, None)
