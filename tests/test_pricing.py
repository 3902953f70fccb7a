"""What a call costs at a price, what it can cost at most, and money itself."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.money import MOST_NANOS, NANOS, exact, exact_or_none, nanos, shown, usd
from headrace.pricing import Price, Rates, Tier
from headrace.usage import Usage
from tests import priced

MINI = Price(
    "openai", "mini", rates=Rates(input=Decimal("0.15"), cached_input=Decimal("0.075"), output=Decimal("0.6"))
)
CALL = Usage(prompt_tokens=1000, cached_tokens=200, completion_tokens=100, reasoning_tokens=60)


def test_a_call_costs_what_its_tokens_cost() -> None:
    assert MINI.cost(CALL) == 800 * 150 + 200 * 75 + 100 * 600  # nanos a token


def test_reasoning_is_part_of_the_completion_and_not_paid_twice() -> None:
    assert MINI.cost(CALL) == MINI.cost(replace(CALL, reasoning_tokens=0))


def test_a_cache_without_a_rate_costs_like_other_input() -> None:
    plain = Price("p", "m", rates=Rates(input=Decimal(2), output=Decimal(8)))

    assert plain.cost(replace(CALL, cache_write_tokens=300)) == 1000 * 2000 + 100 * 8000


def test_cache_writes_and_sound_have_rates_of_their_own() -> None:
    rates = Rates(*map(Decimal, (1, 2, 4, 8, 16, 32)))
    written = Usage(prompt_tokens=10, cached_tokens=3, cache_write_tokens=2)
    heard = Usage(prompt_tokens=10, prompt_audio_tokens=4, completion_tokens=10, completion_audio_tokens=1)

    assert Price("p", "m", rates=rates).cost(written) == (5 * 1 + 3 * 2 + 2 * 4) * 1000
    assert Price("p", "m", rates=rates).cost(heard) == (6 * 1 + 4 * 8 + 9 * 16 + 1 * 32) * 1000


@pytest.mark.parametrize(
    "usage",
    [
        Usage(prompt_tokens=10, prompt_audio_tokens=1),
        Usage(completion_tokens=10, completion_audio_tokens=1),
        Usage(prompt_tokens=10, cached_tokens=11),
        Usage(prompt_tokens=10, cached_tokens=6, cache_write_tokens=5),
        Usage(completion_tokens=10, completion_audio_tokens=11),
    ],
)
def test_tokens_without_a_rate_or_that_do_not_add_up_are_of_unknown_cost(usage: Usage) -> None:
    assert MINI.cost(usage) is None


def test_a_call_with_sound_and_a_cache_is_of_unknown_cost() -> None:
    hears = replace(MINI, rates=replace(MINI.rates, audio_input=Decimal(10)))

    assert hears.cost(Usage(prompt_tokens=10, cached_tokens=2, prompt_audio_tokens=2)) is None


@pytest.mark.parametrize(("prompt", "rate"), [(200, 1), (201, 2), (500, 2), (501, 4)])
def test_a_tier_is_for_all_tokens_of_prompts_that_are_longer(prompt: int, rate: int) -> None:
    tiers = (Tier(500, Rates(input=Decimal(4))), Tier(200, Rates(input=Decimal(2))))
    price = Price("p", "m", rates=Rates(input=Decimal(1)), tiers=tiers)

    assert price.cost(Usage(prompt_tokens=prompt)) == prompt * rate * 1000


def test_a_tier_of_service_has_a_factor_and_one_that_is_not_listed_no_known_cost() -> None:
    price = replace(
        MINI, service_tiers=(("flex", Decimal("0.5")), ("priority", Decimal(2))), discount=Decimal("0.1")
    )
    usual = 195_000

    assert [price.cost(CALL, tier) for tier in ("", "auto", "default", "standard")] == [usual * 9 // 10] * 4
    assert price.cost(CALL, "flex") == usual * 45 // 100
    assert price.cost(CALL, "priority") == usual * 18 // 10
    assert price.cost(CALL, "scale") is None
    assert price.at_most(1000, 100, "scale") is None


def test_a_request_has_a_price_of_its_own_and_takes_part_in_the_discount() -> None:
    price = replace(MINI, per_request=Decimal("0.01"), discount=Decimal("0.5"))

    assert price.cost(Usage()) == 5_000_000
    assert price.cost(CALL) == (195_000 + 10_000_000) // 2


def test_what_is_unknown_is_not_free() -> None:
    unknown, free = Price("p", "m"), Price("p", "m", rates=Rates(input=Decimal(), output=Decimal()))

    assert not unknown.is_known
    assert (unknown.cost(CALL), unknown.cost(Usage()), unknown.at_most(1, 1)) == (None, None, None)
    assert free.is_known
    assert (free.cost(CALL), free.at_most(1000, 1000)) == (0, 0)


def test_a_price_of_input_alone_is_one_of_calls_that_answer_nothing() -> None:
    embedding = Price("p", "m", rates=Rates(input=Decimal("0.02")))

    assert (embedding.cost(Usage(prompt_tokens=50)), embedding.at_most(50, 0)) == (1000, 1000)
    assert (embedding.cost(CALL), embedding.at_most(50, 1)) == (None, None)


def test_a_bound_is_of_the_dearest_tier_that_the_prompt_can_reach() -> None:
    price = replace(MINI, tiers=(Tier(1000, Rates(input=Decimal(1), output=Decimal(2))),))

    assert price.at_most(1000, 10) == 1000 * 150 + 10 * 600
    assert price.at_most(1001, 10) == 1001 * 1000 + 10 * 2000


def test_a_bound_of_a_call_that_leaves_the_tier_open_is_of_the_dearest_tier_of_service() -> None:
    price = replace(MINI, service_tiers=(("flex", Decimal("0.5")), ("priority", Decimal(2))))
    standard = price.at_most(10, 10, "default")
    assert standard

    assert (
        price.at_most(10, 10)
        == price.at_most(10, 10, "auto")
        == price.at_most(10, 10, "priority")
        == standard * 2
    )
    assert price.at_most(10, 10, "flex") == standard  # served at the standard where there is no room


@settings(deadline=None)
@given(
    price=priced.prices, usage=priced.usages(), more=st.integers(0, 3000), asked=st.sampled_from(priced.TIERS)
)
def test_no_call_costs_more_than_its_bound(price: Price, usage: Usage, more: int, asked: str) -> None:
    bound = price.at_most(usage.prompt_tokens + more, usage.completion_tokens + more, asked)
    served = [asked, "default", *(["flex", "priority"] if asked in ("", "auto") else [])]
    costs = [cost for tier in served if (cost := price.cost(usage, tier)) is not None]

    if bound is None:
        assert asked not in dict(price.service_tiers)
        assert asked not in ("", "auto", "default")
    else:
        assert all(0 <= cost <= bound for cost in costs)


@settings(deadline=None)
@given(price=priced.prices)
def test_a_price_is_read_back_as_it_was_written_and_named_by_what_it_is(price: Price) -> None:
    again = Price.of(price.provider, price.model, price.source, price.terms)

    assert (again, again.id) == (price, price.id)


@pytest.mark.parametrize(
    "changed",
    [
        {"provider": "q"},
        {"model": "n"},
        {"source": "s"},
        {"discount": Decimal("0.1")},
        {"per_request": Decimal(1)},
        {"tiers": (Tier(1, Rates()),)},
        {"service_tiers": (("flex", Decimal(1)),)},
        {"rates": Rates(input=Decimal(1))},
    ],
)
def test_another_price_has_another_id(changed: dict[str, Any]) -> None:
    assert replace(MINI, **changed).id != MINI.id


@settings(deadline=None)
@given(amount=st.decimals(min_value=0, max_value=10**6, places=15))
def test_money_is_rounded_to_the_nearest_nano_and_of_halves_to_the_even(amount: Decimal) -> None:
    assert nanos(amount) == round(Fraction(amount) * NANOS)
    assert nanos(amount, up=True) == -(-Fraction(amount) * NANOS // 1)


def test_a_factor_that_no_decimal_can_say_leaves_nothing_to_round() -> None:
    third = Decimal(5) / 3

    assert nanos(Decimal("1.5e-9") * 3 * third * 3) == nanos(Decimal("22.5e-9")) == 22
    assert nanos(Decimal("0.15") * third, up=True) == 250_000_000


def test_money_that_no_column_can_hold_is_the_most_that_it_can() -> None:
    assert nanos(Decimal(10) ** 20) == MOST_NANOS


@settings(deadline=None)
@given(amount=st.integers(-MOST_NANOS, MOST_NANOS))
def test_money_as_text_keeps_every_digit(amount: int) -> None:
    assert Decimal(exact(amount)) * NANOS == usd(amount) * NANOS == amount
    assert "E" not in exact(amount)


@pytest.mark.parametrize(
    ("amount", "text", "seen"),
    [
        (0, "0", "$0.00"),
        (1, "0.000000001", "$0.000000001"),
        (123_456, "0.000123456", "$0.0001235"),
        (250_000_000, "0.25", "$0.2500"),
        (1_234_567_000_000, "1234.567", "$1,234.57"),
        (100_000_000_000, "100", "$100.00"),
    ],
)
def test_money_is_exact_for_programs_and_short_for_people(amount: int, text: str, seen: str) -> None:
    assert (exact(amount), exact_or_none(amount), shown(amount)) == (text, text, seen)
    assert exact_or_none(None) is None


def test_sound_that_has_no_rate_has_no_bound():
    text = Price("p", "m", rates=Rates(input=Decimal(1), output=Decimal(2)))
    sound = replace(text, rates=replace(text.rates, audio_input=Decimal(10), audio_output=Decimal(20)))

    assert (text.at_most(1000, 10), text.at_most(1000, 10, sound=True)) == (1_020_000, None)
    assert sound.at_most(1000, 10, sound=True) == 10_200_000
