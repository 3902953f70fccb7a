"""Refusals: too fast, or an account, a key or a model that is not accepted. They cost no attempt."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from headrace.states import Outcome
from headrace.store.landings import Verb
from headrace.usage import NO_USAGE
from tests.verdicts import NOW, answer, around, error
from worker.verdict import Pause, judge

DAY_SECONDS = 86_400


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30.0),
        ({"retry_after": format_datetime(NOW - timedelta(seconds=30), usegmt=True)}, 2.0),
        ({"retry_after": "Sat, 21 Nov 2026 12:00:30 -0000"}, 2.0),
        ({"retry_after": str(DAY_SECONDS)}, 300.0),
        ({"retry_after": "0"}, 2.0),
        ({"retry_after": "-1"}, 2.0),
        ({"retry_after": "6m0s"}, 2.0),
        ({"retry_after": "soon"}, 2.0),
        ({"retry_after": "1.2.3"}, 2.0),
        ({"retry_after": "-"}, 2.0),
        ({"retry_after": "²"}, 2.0),
        ({"retry_after": "9" * 400}, 300.0),
        ({"retry_after": "inf"}, 2.0),
        ({"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 300.0),
        ({"retry_after": "Fri, 99 Dec 9999 23:59:59 GMT"}, 2.0),
        ({"retry_after": "nan"}, 2.0),
        ({"retry_after": ""}, 2.0),
        ({}, 2.0),
        ({"retry_after_ms": "2500", "retry_after": "7"}, 2.5),
        ({"retry_after_ms": "0", "retry_after": "0"}, 2.0),
        ({"retry_after_ms": "-5"}, 2.0),
        ({"retry_after_ms": "1"}, 0.05),
        ({"retry_after_ms": "1e300"}, 300.0),
        ({"retry_after_ms": "inf"}, 300.0),
        ({"retry_after_ms": "nan"}, 2.0),
        ({"retry_after_ms": "soon"}, 2.0),
    ],
)
def test_a_429_pauses_the_quota_as_long_as_it_says_and_costs_no_attempt(given, seconds):
    got = error(429, "Slow down", kind="requests", code="rate_limit_exceeded", **given)

    verdict = judge(got, around(attempts=3))

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.SNOOZE, Outcome.REFUSED, NO_USAGE)
    assert verdict.pause == Pause(seconds, "429: Slow down")
    assert verdict.delay_seconds == seconds
    assert (verdict.status, verdict.code, verdict.notice) == (429, "rate_limit_exceeded", None)


def test_refused_jobs_do_not_all_come_back_at_once():
    got = error(429, retry_after="8")

    assert judge(got, around(chance=0.0)).delay_seconds == 8.0
    assert judge(got, around(chance=1.0)).delay_seconds == 10.0


@pytest.mark.parametrize("status", [503, 529])
@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "0"}, 2.0),
        ({"retry_after_ms": "0"}, 2.0),
        ({"retry_after": "-1"}, 2.0),
        ({"retry_after": format_datetime(NOW - timedelta(days=1), usegmt=True)}, 2.0),
        ({"retry_after": "later"}, 2.0),
        ({"retry_after": ""}, 2.0),
        ({"retry_after": str(DAY_SECONDS)}, 300.0),
    ],
)
def test_a_busy_provider_that_says_when_to_come_back_refuses(status, given, seconds):
    verdict = judge(error(status, "Busy", **given), around(attempts=3))

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.SNOOZE, Outcome.REFUSED, NO_USAGE)
    assert verdict.pause == Pause(seconds, f"{status}: Busy")
    assert verdict.delay_seconds == seconds


def test_another_failure_is_no_refusal_whatever_it_says():
    assert judge(error(500, retry_after="3"), around()).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize(
    "got",
    [
        error(401, "Wrong key", code="invalid_api_key"),
        error(402, "Wrong key"),
        error(403, "Wrong key", code="unsupported_country_region_territory"),
        error(429, "Wrong key", kind="insufficient_quota", code="insufficient_quota"),
        error(429, "Wrong key", kind="insufficient_quota", code="some_new_code", retry_after="1"),
        error(429, "Wrong key", code="credit_balance_exhausted"),
        error(429, "Wrong key", code="organization_spend_limit_exceeded"),
        error(429, "Wrong key", code="project_spend_limit_exceeded"),
        error(429, "Wrong key", code="organization_usage_limit_exceeded"),
        error(400, "Wrong key", code="insufficient_quota"),
    ],
)
def test_a_refused_account_pauses_the_quota_and_burns_no_jobs(got):
    verdict = judge(got, around(attempts=3))

    assert (verdict.verb, verdict.outcome, verdict.usage) == (Verb.SNOOZE, Outcome.REFUSED, NO_USAGE)
    assert verdict.pause == Pause(60.0, f"{got.status}: Wrong key", refused=True)
    assert verdict.delay_seconds == 60.0
    assert f"{got.status}: Wrong key" in (verdict.notice or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_wrong_base_url_until_others_are_answered(status):
    got = answer(status, b"<html>", location="https://user:secret@b.example/login?token=secret")

    alone, among_others = judge(got, around()), judge(got, around()._replace(welcome=True))

    assert (alone.verb, alone.outcome, alone.code) == (Verb.SNOOZE, Outcome.REFUSED, "redirect")
    assert alone.pause is not None
    assert (alone.pause.refused, alone.pause.lane_only) == (True, True)
    assert "it redirects to https://b.example/login, which is not followed" in (alone.notice or "")
    assert (among_others.verb, among_others.outcome) == (Verb.FAIL, Outcome.FAILED)
    assert among_others.pause is None


def test_a_redirect_that_leads_to_no_address_shows_nothing_of_it():
    verdict = judge(answer(302, location="https://u:p@[bad/?token=secret"), around())

    assert "it redirects to an address that cannot be read" in (verdict.notice or "")


def test_a_redirect_to_nowhere_says_so():
    assert "it redirects to nowhere" in (judge(answer(302), around()).notice or "")


def test_an_unknown_model_pauses_only_its_lane():
    verdict = judge(error(404, "No such model", code="model_not_found"), around(attempts=3))

    assert verdict.verb is Verb.SNOOZE
    assert verdict.pause == Pause(60.0, "404: No such model", lane_only=True, refused=True)
    assert "No such model" in (verdict.notice or "")
