"""Prices of the public list: they say what the library itself would charge, or nothing."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices
from genai_prices.types import Tier as ListedTier
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headrace.money import nanos
from headrace.pricing import Price, Rates, Tier
from headrace.pricing.listed import UNITS, Listed, Terms, listed_price, terms_of
from headrace.pricing.public_list import is_public
from headrace.usage import Usage
from tests import priced

OPENAI = "https://api.openai.com/v1"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
URLS = {
    "openai": OPENAI,
    "openrouter": "https://openrouter.ai/api/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "together": "https://api.together.xyz/v1",
    "google": "https://aiplatform.googleapis.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "azure": "https://mine.openai.azure.com/openai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "moonshotai": "https://api.moonshot.ai/v1",
    "x-ai": "https://api.x.ai/v1",
}


@cache
def providers() -> dict[str, Provider]:
    return {provider.id: provider for provider in get_snapshot().providers}


@cache
def listed_models() -> list[tuple[str, str, ModelInfo]]:
    """URL, name, and what the library finds by them; an id is not always a name of its model."""
    every = [
        (url, providers()[name], each.id) for name, url in URLS.items() for each in providers()[name].models
    ]
    found = [(url, name, provider.find_model(name)) for url, provider, name in every]
    return [(url, name, model) for url, name, model in found if model]


def price_of(listed: Listed) -> Price:
    rates, tiers, per_request = listed.terms
    return Price("p", "m", "", rates, tiers, per_request, service_tiers=listed.service_tiers)


def charged(url: str, name: str, at: datetime, usage: Usage, tier: str = "") -> int:
    """What the library itself says."""
    provider, model = get_snapshot().find_provider_model(name, None, None, url)
    used = ListedUsage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        input_audio_tokens=usage.prompt_audio_tokens,
        output_tokens=usage.completion_tokens,
        output_audio_tokens=usage.completion_audio_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        cache_audio_read_tokens=0,
        cache_audio_write_tokens=0,
    )
    context = {"service_tier": tier} if tier else None
    return nanos(
        model.calc_price(used, provider, genai_request_timestamp=at, price_context=context).total_price
    )


@settings(deadline=None)
@given(usage=priced.usages(most=300_000), days=st.integers(0, 900), draw=st.data())
def test_a_call_costs_what_the_library_says(usage: Usage, days: int, draw: st.DataObject) -> None:
    url, name, _ = draw.draw(st.sampled_from(listed_models()))
    at = AT - timedelta(days=days, minutes=days * 97)
    listed = listed_price(url, name, at)
    assume(listed)
    assert listed
    price = price_of(listed)
    for tier in ("", *dict(price.service_tiers)):
        cost = price.cost(usage, tier)
        if cost is not None:
            assert cost == charged(url, name, at, usage, tier)


def test_every_text_of_a_model_that_is_listed_costs_what_the_library_says() -> None:
    usage = Usage(prompt_tokens=150_001, cached_tokens=4096, completion_tokens=777, reasoning_tokens=100)
    known = 0
    for url, name, _ in listed_models():
        listed = listed_price(url, name, AT)
        cost = price_of(listed).cost(usage) if listed else None
        if cost is not None:
            known += 1
            assert cost == charged(url, name, AT, usage), name
    assert known > len(listed_models()) * 0.85


def test_what_has_another_unit_at_another_price_is_unknown() -> None:
    for url, name in ((URLS["google"], "gemini-2.5-flash-image"), (OPENAI, "gpt-image-1")):
        assert get_snapshot().find_provider_model(name, None, None, url)
        assert listed_price(url, name, AT) is None

    text = {"input_mtok": Decimal(2), "output_mtok": Decimal(8)}
    assert terms_of({**text, "output_reasoning_mtok": Decimal(3)}) is None
    assert terms_of({**text, "output_reasoning_mtok": Decimal(8)}) == terms_of(text)
    assert terms_of({**text, "input_image_mtok": Decimal(2), "web_searches_kcount": Decimal(10)}) == terms_of(
        text
    )
    assert terms_of({**text, "audio_hours": Decimal(1)}) is None
    assert terms_of({"audio_hours": Decimal(1)}) is terms_of({}) is None


def test_units_have_the_names_of_the_library_and_a_thousand_requests_one_price() -> None:
    amounts = {unit: Decimal(number) for number, unit in enumerate(UNITS.values(), 1)}

    assert terms_of({**amounts, "requests_kcount": Decimal(5)}) == Terms(
        Rates(*map(Decimal, (1, 2, 3, 4, 5, 6))), (), Decimal("0.005")
    )


@pytest.mark.parametrize("prompt", [199, 200, 201, 300, 301])
def test_a_tier_begins_where_that_of_the_library_begins(prompt: int) -> None:
    steps = [ListedTier(200, Decimal(2)), ListedTier(300, Decimal(4))]
    amounts: dict[str, Decimal | TieredPrices] = {
        "input_mtok": TieredPrices(Decimal(1), steps),
        "output_mtok": Decimal(8),
    }
    terms = terms_of(amounts)
    assert terms
    assert terms.tiers == (
        Tier(200, Rates(input=Decimal(2), output=Decimal(8))),
        Tier(300, Rates(input=Decimal(4), output=Decimal(8))),
    )

    usage = ListedUsage(input_tokens=prompt, output_tokens=10)
    price = Price("p", "m", "", *terms)
    expected = nanos(ModelPrice(**amounts).calc_price(usage)["total_price"])
    assert price.cost(Usage(prompt_tokens=prompt, completion_tokens=10)) == expected


def test_prices_have_a_date() -> None:
    url, name, model = next(
        found
        for found in listed_models()
        if isinstance(found[2].prices, list)
        and isinstance(found[2].prices[-1].constraint, StartDateConstraint)
        and date(2025, 1, 1) < found[2].prices[-1].constraint.start_date <= AT.date()
        and listed_price(found[0], found[1], AT)
    )
    assert isinstance(model.prices, list)
    constraint = model.prices[-1].constraint
    assert isinstance(constraint, StartDateConstraint)
    begins = datetime.combine(constraint.start_date, datetime.min.time(), UTC)
    before, after = (listed_price(url, name, at) for at in (begins - timedelta(seconds=1), begins))

    assert before is None or before != after
    assert after == listed_price(url, name, begins.astimezone())


def test_a_tier_of_service_is_known_where_it_is_a_multiple() -> None:
    listed = listed_price(OPENAI, "gpt-4.1", AT)
    assert listed

    assert dict(listed.service_tiers)["priority"] == Decimal("1.75")
    assert "batch" not in dict(listed.service_tiers)
    assert listed.source.endswith("(openai/gpt-4.1)")


def test_a_free_model_is_free_and_one_without_a_price_is_unknown() -> None:
    free = next(
        name for _, name, model in listed_models() if name.endswith(":free") and not vars(model.prices)
    )

    url = next(url for url, name, _ in listed_models() if name == free)
    listed = listed_price(url, free, AT)
    assert listed
    assert listed.terms == Terms(Rates(input=Decimal(), output=Decimal()))
    assert listed_price(OPENAI, "moderation", AT) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com.example.com/v1",
        "https://api.openai.commerce/v1",
        "https://api.moonshot.example.com/v1",
        "https://llm.example.com/v1",
        "http://127.0.0.1:11434/v1",
    ],
)
def test_a_provider_is_known_by_its_url_alone(url: str) -> None:
    assert listed_price(OPENAI, "gpt-4o-mini", AT)
    assert listed_price("https://api.openai.com:443/v1", "gpt-4o-mini", AT)
    assert listed_price(url, "gpt-4o-mini", AT) is None
    assert listed_price(OPENAI, "no-such-model", AT) is None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:1",
        "[::1]:8000",
        "10.0.0.7",
        "localhost",
        "a.localhost",
        "gpu",
        "gpu.local",
        "gpu.internal",
        "gpu.local.",
    ],
)
def test_hosts_that_no_public_list_can_know_are_never_looked_up(host: str) -> None:
    assert not is_public(f"http://{host}/v1")
    assert is_public(OPENAI)


def test_the_list_is_read_for_the_first_provider_that_it_may_know() -> None:
    script = """
import sys
from datetime import UTC, datetime
from headrace.pricing.listed import listed_price
for url in ("http://127.0.0.1:8000/v1", "http://simulator:8000/v1", "https://llm.internal/v1"):
    assert listed_price(url, "gpt-4o-mini", datetime.now(UTC)) is None
assert not [name for name in sys.modules if name.startswith("genai_prices")]
assert listed_price("https://api.openai.com/v1", "gpt-4o-mini", datetime.now(UTC))
assert "genai_prices" in sys.modules
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
