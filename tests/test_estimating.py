"""Estimates of requests: tokens, cost, duration, and what would be refused."""

from datetime import UTC, datetime

import pytest

from headrace.bodies import Fault
from headrace.config import Config
from headrace.estimate_object import estimate_object
from headrace.estimating import SHOWN_FAULTS, Asked, Estimator, FaultAt
from headrace.lengths import NEW, Experience, Lengths, Range

AT = datetime(2026, 7, 1, tzinfo=UTC)
CHAT = "/v1/chat/completions"
PROVIDERS = {"p": {"name": "p", "base_url": "http://127.0.0.1:1/v1"}}
TEXT = "The mill stands where the river leaves the hills. " * 4


def configuration(quotas=None, **models):
    quotas = quotas or {"q": {"rpm": 60}}
    prices = {
        name: {"name": name, "model": name, "input": price[0], "output": price[1]}
        for name, price in models.items()
        if price
    }
    return Config.model_validate(
        {
            "providers": PROVIDERS,
            "quotas": {name: {"name": name, "provider": "p", **quota} for name, quota in quotas.items()},
            "models": {name: {"name": name, "quota": next(iter(quotas))} for name in models},
            "prices": prices,
        }
    )


def asked(model="small", text=TEXT, endpoint=CHAT, **options):
    body = {"model": model, "messages": [{"role": "user", "content": text}], **options}
    return Asked(1, endpoint, model, body)


def estimated(requests, config, known=None):
    return Estimator(config, known or {}, AT).estimate(requests)


def test_a_cost_is_that_of_its_tokens_at_the_price_in_force():
    made = estimated([asked(max_tokens=100)] * 10, configuration(small=(2, 8)))

    share = made.models["small"]
    prompt = share.prompt_tokens
    assert share.requests == 10
    assert share.completion_tokens == Range(200, 1000, 1000)
    assert share.cost is not None
    assert share.cost.expected == prompt * 2_000 + 1000 * 8_000
    assert share.cost.low < share.cost.expected < share.cost.high
    assert (made.total.cost, made.total.unpriced_requests) == (share.cost, 0)


def test_what_has_no_price_is_counted_and_not_free():
    requests = [asked(), asked("dear", max_tokens=10), asked()]

    made = estimated(requests, configuration(small=None, dear=(1, 1)))

    assert made.models["small"].cost is None
    assert made.total.cost == made.models["dear"].cost
    assert made.total.unpriced_requests == 2
    assert made.total.unpriced_tokens == made.models["small"].prompt_tokens + 2 * 256


def test_completions_are_expected_to_be_like_those_that_were_seen():
    known = {"small": Experience(Lengths(range(1, 101)))}
    config = configuration(small=(1, 1))

    free = estimated([asked()], config, known).total.completion_tokens
    capped = estimated([asked(max_tokens=20)], config, known).total.completion_tokens

    assert free == Range(11, 50, 96)
    assert capped == Range(11, 18, 20)


def test_a_few_answers_teach_nothing_and_a_mean_is_better_than_a_guess():
    assert Lengths([3, 3, 3]).of(None) == NEW.lengths.of(None) == Range(51, 256, 1024)
    assert Lengths([3], mean=40.0).of(None) == Range(8, 40, 160)
    assert NEW.lengths.of(None, answers=3).expected == 3 * 256


@pytest.mark.parametrize("cap", [None, 1, 7, 60, 10_000])
def test_low_expected_and_high_never_cross(cap):
    for lengths in (NEW.lengths, Lengths([5, 5, 5, 5, 500]), Lengths([0] * 9 + [10**6]), Lengths(mean=30.0)):
        low, expected, high = lengths.of(cap)

        assert 0 <= low <= expected <= high
        assert cap is None or high <= cap


def test_embeddings_have_no_completion():
    one = Asked(1, "/v1/embeddings", "small", {"model": "small", "input": TEXT})

    made = estimated([one], configuration(small=(1, 1)))

    assert made.total.completion_tokens == Range(0, 0, 0)


@pytest.mark.parametrize(
    ("quota", "limit", "seconds"),
    [
        ({"rpm": 60}, "rpm", 100 / 0.97),
        ({"rpm": 6_000, "tpm": 3_000}, "tpm", None),
        ({"rpd": 100}, "rpd", 86_400 / 0.97),
    ],
)
def test_models_share_the_slower_of_their_quotas_limits(quota, limit, seconds):
    requests = [asked("small", max_tokens=10)] * 60 + [asked("large", max_tokens=10)] * 40

    made = estimated(requests, configuration({"q": quota}, small=(1, 1), large=(1, 1)))

    assert made.duration is not None
    tokens = made.total.prompt_tokens + made.total.completion_tokens.expected
    assert made.duration.seconds == pytest.approx(seconds or tokens / 3_000 * 60 / 0.97)
    assert (made.duration.limit, made.duration.quota) == (limit, "q")


def test_without_limits_the_time_that_calls_take_tells_how_long_it_is_or_nothing_does():
    config = configuration({"q": {"max_in_flight": 4}}, small=(1, 1))

    unknown = estimated([asked()] * 20, config)
    known = estimated([asked()] * 20, config, {"small": Experience(Lengths(), 2.0)})

    assert unknown.duration is None
    assert known.duration is not None
    assert (known.duration.seconds, known.duration.limit) == (10.0, "max_in_flight")


def test_of_many_faults_a_hundred_are_shown_and_all_counted():
    faults = [FaultAt(line, Fault("invalid_url", "No.")) for line in range(1, 251)]

    made = estimated([*faults, asked()], configuration(small=(1, 1)))

    assert (made.refused, len(made.faults), made.total.requests) == (250, SHOWN_FAULTS, 1)


def test_the_object_writes_usd_as_text_with_every_digit():
    shown = estimate_object(estimated([asked(max_tokens=1)], configuration(small=(0, 4))))

    assert shown["cost"]["expected_usd"] == "0.000004"
    assert shown["models"][0]["model"] == "small"
    assert shown["refused"] == {"count": 0, "data": []}
