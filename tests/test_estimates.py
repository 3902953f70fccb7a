"""What a call will probably use, learned from what the calls before it used."""

import random

import pytest

from headrace.store.jobs import Claim
from headrace.usage import Usage
from worker.estimates import UNLEARNED_COMPLETION, Estimator


def job(prompt_estimate=100, completion_cap=None):
    return Claim(
        job_id=1,
        token="t",
        batch_id=None,
        endpoint="/v1/chat/completions",
        lane="m",
        body="{}",
        prompt_estimate=prompt_estimate,
        completion_cap=completion_cap,
        tokens_at_most=0,
        open_answers=0,
        prompt_at_most=0,
        attempts=0,
        max_attempts=3,
        calls=0,
    )


def used(prompt=100, completion=0):
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


def taught(*completions, claim=None, prompt=100):
    estimator = Estimator()
    for completion in completions:
        estimator.learn(claim or job(), used(prompt, completion))
    return estimator


@pytest.mark.parametrize(
    ("cap", "completion"), [(None, UNLEARNED_COMPLETION), (50, 50), (10_000, 256), (0, 0)]
)
def test_before_anything_is_learned_a_modest_default_is_capped_by_the_body(cap, completion):
    assert Estimator().tokens(job(100, cap)) == 100 + completion


def test_a_few_completions_teach_nothing_yet():
    assert taught(10, 10, 10, 10).tokens(job()) == 100 + UNLEARNED_COMPLETION


def test_completions_are_expected_to_be_a_little_above_the_median():
    assert taught(*range(1, 101)).tokens(job()) == 100 + 61


def test_what_was_learned_is_still_capped_by_the_body():
    estimator = taught(*[500] * 10)

    assert estimator.tokens(job(completion_cap=20)) == 120
    assert estimator.tokens(job(completion_cap=501)) == 600


def test_old_completions_are_forgotten():
    assert taught(*[1000] * 500, *[10] * 200).tokens(job()) == 110


def test_the_prompt_factor_follows_what_is_real():
    estimator = taught(*[0] * 200, prompt=130)

    assert estimator.tokens(job(1000)) == pytest.approx(1300, rel=0.01)


@pytest.mark.parametrize(("prompt", "factor"), [(1_000_000, 4.0), (1, 0.25)])
def test_one_odd_answer_cannot_bend_the_factor_beyond_reason(prompt, factor):
    estimator = taught(*[0] * 500, prompt=prompt)

    assert estimator.prompt_factor == pytest.approx(factor, rel=0.01)
    assert 0.8 < taught(0, prompt=prompt).prompt_factor < 1.2


def test_an_answer_that_states_no_prompt_teaches_nothing_of_prompts():
    assert taught(*[50] * 10, prompt=0).prompt_factor == 1.0


def test_a_call_books_at_least_a_token():
    assert Estimator().tokens(job(prompt_estimate=0, completion_cap=0)) == 1


def test_over_many_calls_the_estimates_sum_to_what_is_used():
    lengths = random.Random(7)
    estimator, booked, spent = Estimator(), 0, 0
    for _ in range(2000):
        claim = job(prompt_estimate=lengths.randint(50, 400))
        usage = used(round(claim.prompt_estimate * 1.2), max(1, round(lengths.lognormvariate(4, 0.5))))
        booked += estimator.tokens(claim)
        spent += usage.total_tokens
        estimator.learn(claim, usage)

    assert 0.95 < booked / spent < 1.1
